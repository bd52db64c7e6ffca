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

    def begin(self, connection: Any, cursor: Any) -> None:
        """Begin a transaction with the write lock. Its statements may be sent together."""

    def receive(self) -> None:
        """Wait for the results of what was sent. Raises what a statement raised."""

    def notify(self, cursor: Any, writer_id: str, position: int) -> None:
        """Notify every process of this writer's last position, with the commit."""

    def commit(self, connection: Any, cursor: Any) -> None:
        """Commit: everything is on disk when this returns. Raises what any statement raised."""

    def rollback(self, connection: Any) -> None:
        """Undo the transaction, also one of which a statement failed. Raises if the connection is lost."""

    def is_fatal(self, error: Exception, *, is_committing: bool) -> bool:
        """Return whether the state on disk is unknown after this error."""
