"""SQLite as the log's database: one process writes."""

from typing import Any

TRANSIENT_ERRORS = ("disk is full", "database is locked", "database table is locked")
"""SQLite's messages for temporary errors; the transaction is known not to be on disk."""


class SqliteDatabase:
    """SQLite: one process writes, guarded by the log's lock."""

    multi_writer = False

    def acquire_write_lock(self, cursor: Any) -> None:
        """Do nothing: no other process writes."""

    def begin(self, connection: Any, cursor: Any) -> None:
        """Do nothing: the driver begins a transaction with the first write."""

    def receive(self) -> None:
        """Do nothing: each statement waits for its result."""

    def notify(self, cursor: Any, writer_id: str, position: int) -> None:
        """Do nothing: no other process listens."""

    def commit(self, connection: Any, cursor: Any) -> None:
        """Commit, with a flush."""
        connection.commit()

    def rollback(self, connection: Any) -> None:
        """Undo the transaction."""
        connection.rollback()

    def is_fatal(self, error: Exception, *, is_committing: bool) -> bool:
        """Return whether a failed commit leaves the disk in an unknown state: all errors but a full disk or a lock."""
        words = str(error)
        passing = any(each in words for each in TRANSIENT_ERRORS)
        return "disk I/O error" in words or (is_committing and not passing)
