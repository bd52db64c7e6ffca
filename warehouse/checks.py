"""Checks before a load may commit: keys are unique and not null, and each check finds no row."""

import duckdb
from sqlglot import exp

from warehouse.model import Model, checks


class CheckError(Exception):
    """A check found rows; the load was rolled back and the warehouse is as it was."""

    def __init__(self, name: str, found: list[tuple[object, ...]]) -> None:
        """`found`: the first rows that the check `name` returned."""
        self.name = name
        self.found = found
        super().__init__(
            f"{name}: {len(found)} or more rows, the first {found[0]}; nothing was loaded"
        )


def check_key(
    con: duckdb.DuckDBPyConnection, model: Model, where: exp.Condition | None = None
) -> None:
    """Raise CheckError unless the model's key is unique and not null in the rows of `where`."""
    keys = [exp.column(name) for name in model.key]
    broken = exp.or_(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))
    for key in keys:
        broken = broken.or_(key.copy().is_(exp.null()))
    query = exp.select(*keys).from_(model.name).group_by(*keys).having(broken).limit(5)
    _raise_if_found(
        con,
        f"{model.name} has one row per {', '.join(model.key)}",
        query.where(where) if where else query,
    )


def run_checks(con: duckdb.DuckDBPyConnection) -> None:
    """Run `sql/checks`, each named for its promise. Raises CheckError."""
    for name, query in checks().items():
        _raise_if_found(con, name, query.copy().limit(5))


def _raise_if_found(con: duckdb.DuckDBPyConnection, name: str, query: exp.Query) -> None:
    found = con.execute(query.sql("duckdb")).fetchall()
    if found:
        raise CheckError(name, found)
