"""Rows of one query by key: each key is read once, however many calls ask for it."""

from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any, Protocol

from sqlalchemy import Column, Dialect, Engine, Select

from ingest.log.storage.statements import Lookup


class Reader(Protocol):
    """Runs reading statements: on connections of an engine, or on that of the writer's store."""

    @property
    def dialect(self) -> Dialect:
        """What statements are compiled for."""

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement, as they are committed."""


class EngineReader:
    """Reads on the driver's own connection, one of the engine's pool for each statement."""

    def __init__(self, engine: Engine) -> None:
        """`engine` only reads."""
        self._engine = engine
        self.dialect = engine.dialect

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement."""
        with (
            closing(self._engine.raw_connection()) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(statement, values)
            return list(cursor.fetchall())


class KeyedQuery:
    """A query whose first column is its key; a constant of its module, compiled once for each database."""

    def __init__(self, query: Select[Any], key: "Column[Any]") -> None:
        """`query` selects the rows of every key."""
        self._query = query
        self._key = key
        self._lookups: dict[tuple[str, str], Lookup] = {}

    def read(self, reader: Reader, keys: Sequence[str]) -> list[Sequence[Any]]:
        """Return the rows of these keys."""
        return self._lookup(reader.dialect)(reader.read, keys)

    def _lookup(self, dialect: Dialect) -> Lookup:
        name = (dialect.name, dialect.driver)
        if name not in self._lookups:
            self._lookups[name] = Lookup(dialect, self._query, self._key)
        return self._lookups[name]


class KeyedRows:
    """The rows of a query. It never forgets: make one for each batch of calls."""

    def __init__(self, reader: Reader, query: KeyedQuery) -> None:
        """Start without any row."""
        self._reader = reader
        self._query = query
        self._rows: dict[str, list[Sequence[Any]]] = {}

    def get(self, keys: Collection[str]) -> list[Sequence[Any]]:
        """Return the rows of these keys. Reads those that are not read yet, together."""
        if not keys:
            return []
        wanted = dict.fromkeys(keys)
        missing = [each for each in wanted if each not in self._rows]
        if missing:
            rows = self._query.read(self._reader, missing)
            self._rows |= {key: [] for key in missing}
            for row in rows:
                self._rows[row[0]].append(row)
        return [row for key in wanted for row in self._rows[key]]
