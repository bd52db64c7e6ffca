"""What the warehouse holds of one channel account."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from convolake.simulation.found import Record
from ingest.contract import Cursor

SQL = Path(__file__).parent / "sql"


class WarehouseRecords:
    """Reads a warehouse with SQL only."""

    def __init__(self, con: duckdb.DuckDBPyConnection, account_id: str) -> None:
        """Read what the account's conversations have, and the contacts in them."""
        self._con = con
        self._account_id = account_id

    def holds(self, head: Cursor) -> bool:
        """Return whether the log is loaded up to `head`, and has a conversation of the account."""
        loaded = dict(self._con.execute((SQL / "loaded.sql").read_text()).fetchall())
        is_behind = any(position > loaded.get(shard, 0) for shard, position in head.items())
        return not is_behind and any(True for _ in self.read("conversations"))

    def read(self, name: str) -> Iterable[Record]:
        """Return the rows of a file in the folder `sql`."""
        query = (SQL / f"{name}.sql").read_text()
        cursor = self._con.execute(query, {"account_id": self._account_id})
        columns = [each[0] for each in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
