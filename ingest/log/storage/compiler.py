"""Statements outside of the writer's hot path, as text for the driver's own connection."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ClauseElement, Dialect

from ingest.log.storage.statements import Bound, Compiled, Statement


class Compiler:
    """Compiles statements for one dialect, and keeps those that are constants."""

    def __init__(self, dialect: Dialect) -> None:
        """Start without any."""
        self._dialect = dialect
        self._compiled: dict[ClauseElement, tuple[str, list[tuple[str, Any]]]] = {}

    def compile(self, statement: Statement) -> Compiled:
        """Return a statement as text, and the values of its parameters in order."""
        if isinstance(statement, Compiled):
            return statement
        given: Mapping[str, Any] = {}
        if isinstance(statement, Bound):
            statement, given = statement
            if statement not in self._compiled:
                self._compiled[statement] = self._compile(statement)
            sql, values = self._compiled[statement]
        else:
            sql, values = self._compile(statement)
        return Compiled(sql, [given.get(name, value) for name, value in values])

    def compile_many(
        self, statement: ClauseElement, given: Iterable[Mapping[str, Any]]
    ) -> tuple[str, list[tuple[Any, ...]]]:
        """Return a statement that is a constant as text, and the values of its parameters for each of `given`."""
        if statement not in self._compiled:
            self._compiled[statement] = self._compile(statement)
        sql, own = self._compiled[statement]
        return sql, [tuple(each.get(name, value) for name, value in own) for each in given]

    def _compile(self, statement: ClauseElement) -> tuple[str, list[tuple[str, Any]]]:
        """Return a statement as text, and the name and own value of each parameter, in order."""
        compiled = statement.compile(
            dialect=self._dialect, compile_kwargs={"render_postcompile": True}
        )
        values = compiled.params or {}
        names = getattr(compiled, "positiontup", None) or ()
        return str(compiled), [(name, values[name]) for name in names]
