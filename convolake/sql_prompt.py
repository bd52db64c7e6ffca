"""The prompt of `convolake sql`: history, completion, `.tables`, `.describe`; one connection for all queries."""

import readline
from collections.abc import Callable
from pathlib import Path

import duckdb

from warehouse.read_only_sql import NotOneSelectError, one_select

HELP = """\
End a query with a semicolon. Tab completes names; the arrow keys go through the history.
  .tables             tables and views, with what a row is
  .describe TABLE     columns of a table or view, with their meaning
  .quit               leave, as Ctrl-D does
"""

PROMPT, CONTINUED = "convolake> ", "       ...> "
MAX_HISTORY = 1_000

TABLES = """
    select table_name, comment as one_row from duckdb_tables() where database_name = 'lake'
    union all
    select view_name, comment from duckdb_views() where database_name = 'lake'
    order by 1
"""


class SqlPrompt:
    """Reads lines, runs queries and commands, and prints results. Errors end no session."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        show: Callable[[duckdb.DuckDBPyRelation], None],
        say: Callable[[str], None],
    ) -> None:
        """`con` is locked to the warehouse; `show` prints a result, `say` a line."""
        self._con = con
        self._show = show
        self._say = say
        self._query = ""

    def run(self, history: Path) -> None:
        """Read lines from the terminal until `.quit` or the end; keep the history in a file."""
        readline.set_completer(self._completer())
        readline.parse_and_bind("tab: complete")
        readline.set_history_length(MAX_HISTORY)
        if history.exists():
            readline.read_history_file(history)
        self._say("The warehouse, read-only. `.help` helps.")
        try:
            while self.take(input(CONTINUED if self._query else PROMPT)):
                pass
        except EOFError:
            self._say("")
        finally:
            readline.write_history_file(history)

    def take(self, line: str) -> bool:
        """Take one line; return whether another may follow."""
        if not self._query and line.startswith("."):
            return self._command(*line.split())
        self._query += line + "\n"
        if self._query.rstrip().endswith(";"):
            query, self._query = self._query, ""
            self._answer(query)
        return True

    def _command(self, name: str, *arguments: str) -> bool:
        match name:
            case ".quit" | ".exit":
                return False
            case ".tables":
                self._list(self._con.sql(TABLES))
            case ".describe" if len(arguments) == 1:
                self._describe(arguments[0])
            case _:
                self._say(HELP)
        return True

    def _describe(self, table: str) -> None:
        found = self._con.sql("select * from columns").filter(
            duckdb.ColumnExpression("table_name") == duckdb.ConstantExpression(table)
        )
        if found.fetchone() is None:
            self._say(f"there is no table {table}; `.tables` lists them")
        else:
            self._list(found.order("position").project("column_name, description"))

    def _list(self, found: duckdb.DuckDBPyRelation) -> None:
        """Print every row: a result of a query is cut in the middle, a list of names must not be."""
        rows = [tuple(str(value) for value in row) for row in found.fetchall()]
        width = max(len(name) for name, _ in rows)
        for name, meaning in rows:
            self._say(f"{name:<{width}}  {meaning}")

    def _answer(self, query: str) -> None:
        try:
            self._show(self._con.sql(one_select(self._con, query)))
        except (duckdb.Error, NotOneSelectError) as error:
            self._say(str(error))
        except KeyboardInterrupt:
            self._say("the query was stopped")

    def _completer(self) -> Callable[[str, int], str | None]:
        rows = self._con.execute(
            "select table_name from columns union select column_name from columns order by 1"
        ).fetchall()
        names = [row[0] for row in rows]

        def complete(text: str, number: int) -> str | None:
            found = [name for name in names if name.startswith(text)]
            return found[number] if number < len(found) else None

        return complete
