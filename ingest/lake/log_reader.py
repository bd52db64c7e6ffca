"""The log reader of the lake and of `verify`: events in Arrow, in order of position.

ADBC reads SQLite, 4x faster than rows through Python. It has its own SQLite: two copies of SQLite in one
process on one file cancel each other's locks, so never use it in the API process.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
from sqlalchemy.exc import DBAPIError

from ingest.arrow_schema import SCHEMA
from ingest.contract import COLUMNS, Cursor
from ingest.log.storage.engine import is_multi_writer, open_engine
from ingest.settings import Settings

BUSY_SECONDS = 30

LOG_ERRORS = (adbc.Error, DBAPIError)
"""What a reader raises when the log cannot be read."""


class LogReader(Protocol):
    """Reads the log; a context manager."""

    def head(self) -> Cursor:
        """Return the cursor after the newest event of every shard."""

    def query(self, statement: str) -> pa.Table:
        """Return the rows of one select, as the driver types them."""

    def read(self, after: Cursor, limit: int) -> pa.Table:
        """Return at most `limit` events after a cursor, with the contract's schema.

        Events are in order of shard and position.
        """

    def __enter__(self) -> Self:
        """Return the reader itself."""

    def __exit__(self, *_: object) -> None:
        """Close it."""


def open_log(settings: Settings) -> LogReader:
    """Return a reader of the log. Raises FileNotFoundError if there is none yet, one of LOG_ERRORS."""
    if is_multi_writer(settings.database_url):
        return PostgresLog(settings.database_url)
    return SqliteLog(settings.store_path)


_SELECT = (
    f"select {', '.join(column.name for column in COLUMNS)} from events "  # noqa: S608 (our own names)
    "where shard = {} and position > {} order by position limit {}"
)
_NEXT_SHARD = "select min(shard) from events where shard > {}"
_LAST = "select max(position) from events where shard = {}"


class _Reader:
    """Reads shard after shard; subclasses run one select."""

    placeholder = "?"

    def head(self) -> Cursor:
        """Return the cursor after the newest event of every shard."""
        last = _LAST.format(self.placeholder)
        return {shard: self._scalar(last, shard) or 0 for shard in self._shards()}

    def read(self, after: Cursor, limit: int) -> pa.Table:
        """Return at most `limit` events after a cursor, in order of shard and position."""
        tables = [SCHEMA.empty_table()]
        left = limit
        for shard in self._shards():
            if left > 0:
                tables.append(self._read(shard, after.get(shard, 0), left))
                left -= tables[-1].num_rows
        return pa.concat_tables(tables)

    def _shards(self) -> list[int]:
        shards: list[int] = []
        statement = _NEXT_SHARD.format(self.placeholder)
        while (shard := self._scalar(statement, shards[-1] if shards else -1)) is not None:
            shards.append(shard)
        return shards

    def _scalar(self, statement: str, value: int) -> int | None:
        raise NotImplementedError

    def _read(self, shard: int, after: int, limit: int) -> pa.Table:
        raise NotImplementedError


class SqliteLog(_Reader):
    """A log in a SQLite file."""

    def __init__(self, store: Path) -> None:
        """Open the store. Raises FileNotFoundError if there is none yet."""
        if not store.exists():
            raise FileNotFoundError(store)
        # Without autocommit the first read would pin its snapshot: new events would never be seen.
        self._connection = adbc.connect(f"file:{store}?mode=rw", autocommit=True)
        self._connection.execute("PRAGMA query_only=ON").close()
        # Who opens or closes the store as the only one holds it alone for a moment.
        self._connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}").close()

    def _scalar(self, statement: str, value: int) -> int | None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, (value,))
            row = cursor.fetchone()
        return None if row is None else row[0]

    def query(self, statement: str) -> pa.Table:
        """Return the result of one select."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            table: pa.Table = cursor.fetch_arrow_table()
        return table

    def _read(self, shard: int, after: int, limit: int) -> pa.Table:
        with self._connection.cursor() as cursor:
            # The driver infers a column's type from its first batch; one batch sees every row.
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(limit)})
            cursor.execute(_SELECT.format("?", "?", "?"), (shard, after, limit))
            table: pa.Table = cursor.fetch_arrow_table()
        return to_contract_types(table)

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self._connection.close()


class PostgresLog(_Reader):
    """A log in PostgreSQL, read through Python's rows."""

    placeholder = "%s"

    def __init__(self, url: str) -> None:
        """Connect. Raises FileNotFoundError if the database has no log yet."""
        self._engine = open_engine(url, read_only=True)
        if self._rows("select to_regclass('events')")[1][0][0] is None:
            self._engine.dispose()
            raise FileNotFoundError("a log in the database")

    def _scalar(self, statement: str, value: int) -> int | None:
        _, rows = self._rows(statement, (value,))
        result: int | None = rows[0][0]
        return result

    def query(self, statement: str) -> pa.Table:
        """Return the result of one select."""
        names, rows = self._rows(statement)
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        return pa.table([pa.array(column) for column in columns], names)

    def _read(self, shard: int, after: int, limit: int) -> pa.Table:
        names, rows = self._rows(_SELECT.format("%s", "%s", "%s"), (shard, after, limit))
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        arrays = [
            pa.array(column, _storage_type(field.type))
            for column, field in zip(columns, SCHEMA, strict=True)
        ]
        return to_contract_types(pa.table(arrays, names))

    def _rows(
        self, statement: str, values: tuple[int, ...] = ()
    ) -> tuple[list[str], Sequence[Sequence[Any]]]:
        with self._engine.connect() as connection:
            result = connection.exec_driver_sql(statement, values)
            return list(result.keys()), result.all()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._engine.dispose()


def _storage_type(of: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(of) else of


def to_contract_types(table: pa.Table) -> pa.Table:
    """Return the store's integers as the contract's booleans and instants; the same bytes."""
    columns: list[Any] = [
        table[field.name].cast(pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type)
        else table[field.name].cast(field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
