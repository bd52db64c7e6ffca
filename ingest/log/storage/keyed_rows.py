"""Rows of one query by key: each key is read once, however many calls ask for it."""

from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Column, Dialect, Engine, Select

from ingest.log.storage.statements import Lookup


class KeyedQuery:
    """A query whose first column is its key; a constant of its module, compiled once for each database."""

    def __init__(self, query: Select[Any], key: "Column[Any]") -> None:
        """`query` selects the rows of every key."""
        self._query = query
        self._key = key
        self._lookups: dict[tuple[str, str], Lookup] = {}

    def read(self, engine: Engine, keys: Sequence[str]) -> list[Sequence[Any]]:
        """Return the rows of these keys, read on the driver's own connection."""
        if not keys:
            return []
        lookup = self._lookup(engine.dialect)
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:

            def execute(sql: str, values: Sequence[Any]) -> list[Any]:
                cursor.execute(sql, values)
                return list(cursor.fetchall())

            return lookup(execute, keys)

    def _lookup(self, dialect: Dialect) -> Lookup:
        name = (dialect.name, dialect.driver)
        if name not in self._lookups:
            self._lookups[name] = Lookup(dialect, self._query, self._key)
        return self._lookups[name]


class KeyedRows:
    """The rows of a query. It never forgets: make one for each batch of calls."""

    def __init__(self, engine: Engine, query: KeyedQuery) -> None:
        """`engine` only reads."""
        self._engine = engine
        self._query = query
        self._rows: dict[str, list[Sequence[Any]]] = {}

    def get(self, keys: Collection[str]) -> list[Sequence[Any]]:
        """Return the rows of these keys. Reads those that are not read yet, together."""
        wanted = dict.fromkeys(keys)
        missing = [each for each in wanted if each not in self._rows]
        if missing:
            rows = self._query.read(self._engine, missing)
            self._rows |= {key: [] for key in missing}
            for row in rows:
                self._rows[row[0]].append(row)
        return [row for key in wanted for row in self._rows[key]]
