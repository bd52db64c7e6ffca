"""What a commit of the log needs of its database."""

from typing import Any, Protocol


class UnusableDatabaseError(RuntimeError):
    """This database would lose what was acknowledged or cannot hold every text, or has no driver."""


class Database(Protocol):
    """What a commit of the log asks of its database."""

    multi_writer: bool
    """Whether other processes may write the log as well."""

    def acquire_write_lock(self, cursor: Any) -> None:
        """Wait for the turn: from here to the end of the transaction nobody else writes the log."""

    def notify(self, cursor: Any, position: int) -> None:
        """Tell every process, with the commit, up to where the log goes."""

    def is_fatal(self, error: Exception, *, is_committing: bool) -> bool:
        """Whether after this failure nobody can say any more what is on disk."""
