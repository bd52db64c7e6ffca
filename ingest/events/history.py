"""Events that are history when they are stored."""

from sqlalchemy import RowMapping

HISTORY_AGE = 24 * 3_600_000_000
"""Age at commit from which an event is imported history: no customer waits for a reply to it (24 h)."""


def is_history(event: RowMapping) -> bool:
    """Return whether a stored event happened long before its commit."""
    return bool(event["committed_at"] - event["happened_at"] >= HISTORY_AGE)
