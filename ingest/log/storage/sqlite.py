"""SQLite as the log's database: one process writes."""

from typing import Any

PASSING = ("disk is full", "database is locked", "database table is locked")
"""SQLite's words for what passes by itself; the transaction is known not to be on disk."""


class Sqlite:
    """One process writes, held to that by the log's lock."""

    is_shared = False

    def wait(self, cursor: Any) -> None:
        """There is nobody else."""

    def tell(self, cursor: Any, position: int) -> None:
        """There is nobody else."""

    def is_final(self, error: Exception, *, is_committing: bool) -> bool:
        """A commit that failed, but for no space or a lock; after a failed fsync least of all."""
        words = str(error)
        passing = any(each in words for each in PASSING)
        return "disk I/O error" in words or (is_committing and not passing)
