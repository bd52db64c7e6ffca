"""Rows of one query by key: each key is read once, however many calls ask for it."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BindParameter, Engine, Select, bindparam

KEYS: BindParameter[str] = bindparam("keys", expanding=True)
"""The parameter of a query that takes the keys."""

MAX_KEYS = 10_000
"""Maximum keys of one statement: databases limit its parameters."""


class KeyedRows:
    """The rows of a query whose first column is the key. It never forgets: make one for each batch of calls."""

    def __init__(self, engine: Engine, query: Select[Any]) -> None:
        """`query` selects the rows of `KEYS`; `engine` only reads."""
        self._engine = engine
        self._query = query
        self._rows: dict[str, list[Sequence[Any]]] = {}

    def get(self, keys: Collection[str]) -> list[Sequence[Any]]:
        """Return the rows of these keys. Reads those that are not read yet, in as few statements as possible."""
        wanted = dict.fromkeys(keys)
        missing = [each for each in wanted if each not in self._rows]
        for start in range(0, len(missing), MAX_KEYS):
            self._read(missing[start : start + MAX_KEYS])
        return [row for key in wanted for row in self._rows[key]]

    def _read(self, keys: Sequence[str]) -> None:
        with self._engine.connect() as connection:
            rows = connection.execute(self._query, {"keys": keys}).all()
        self._rows |= {key: [] for key in keys}
        for row in rows:
            self._rows[row[0]].append(row)
