"""Which conversation of a sample a reviewer gets next. Pure."""

from collections.abc import Mapping, Set
from typing import NamedTuple

from ingest.events.review_state import Sample


class Lock(NamedTuple):
    """A conversation that one reviewer holds until an instant in microseconds; then others may get it."""

    conversation_id: str
    locked_until: int


def next_conversation(
    sample: Sample,
    reviewed: Mapping[str, Set[str]],
    locks: Mapping[str, Lock],
    reviewer: str,
    now: int,
) -> str | None:
    """Return the conversation that the reviewer gets; None if there is none for this reviewer.

    It is the one that the reviewer holds, or held last, else the first that needs a review. A reviewer gets each
    one once. `reviewed`: who submitted a review of each conversation. `locks`: what each reviewer holds.
    """
    held: dict[str, int] = {}
    for name, lock in locks.items():
        if name != reviewer and lock.locked_until > now:
            held[lock.conversation_id] = held.get(lock.conversation_id, 0) + 1

    def is_free(conversation_id: str) -> bool:
        done = reviewed.get(conversation_id, frozenset())
        taken = len(done) + held.get(conversation_id, 0)
        return reviewer not in done and taken < sample.reviews_per_conversation

    own = locks.get(reviewer)
    if own is not None and sample.find_item(own.conversation_id) and is_free(own.conversation_id):
        return own.conversation_id
    ids = (each.conversation_id for each in sample.items)
    return next((each for each in ids if is_free(each)), None)


def holds(locks: Mapping[str, Lock], reviewer: str | None, conversation_id: str, now: int) -> bool:
    """Return whether this reviewer holds this conversation."""
    lock = locks.get(reviewer or "")
    return lock is not None and lock.conversation_id == conversation_id and lock.locked_until > now
