"""The database interface that a commit of the log needs."""

from typing import Any, Protocol


class UnusableDatabaseError(RuntimeError):
    """This database would lose acknowledged events, cannot hold every text, or has no driver."""


class Database(Protocol):
    """The differences between databases that the writer depends on."""

    multi_writer: bool
    """Whether other processes may write the log as well."""

    def acquire_write_lock(self, cursor: Any) -> None:
        """Wait for the write lock; until the end of the transaction no other process writes."""

    def notify(self, cursor: Any, position: int) -> None:
        """Notify every process of the last position, with the commit."""

    def is_fatal(self, error: Exception, *, is_committing: bool) -> bool:
        """Return whether the state on disk is unknown after this error."""
