"""Reads the stored states of conversations, messages and contacts.

A state is derived from events, so one that cannot be read is projected again from them. If that is not
possible either, only this conversation, message or contact is unavailable.
"""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Engine, select

from ingest.errors import UnreadableStateError
from ingest.events import contact_state, message_state, projections, review_state
from ingest.events.contact_state import Contact, decode_contact
from ingest.events.conversation_state import Conversation, decode_conversation
from ingest.events.message_state import Message, decode_message
from ingest.events.review_state import (
    Review,
    Sample,
    Scorecard,
    decode_review,
    decode_sample,
    decode_scorecard,
)
from ingest.events.stored_event import StoredEvent, decode_payload
from ingest.events.types import rules_of
from ingest.log.storage.tables import events

logger = logging.getLogger(__name__)

K = TypeVar("K")
S = TypeVar("S")


MAX_UNREADABLE_STATES = 1_000
"""Maximum number of unreadable states that a process remembers: 1,000."""


class UnreadableState(NamedTuple):
    """What an unreadable state belongs to: `conversation`, `message` or `contact`, and its id."""

    kind: str
    key: str


class DamagedStates(msgspec.Struct, array_like=True):
    """The unreadable states of one process, as it reports them to another."""

    repaired: set[UnreadableState]
    lost: set[UnreadableState]


class UnreadableStates:
    """The states that this process could not read since it started. Thread-safe."""

    def __init__(self) -> None:
        """Start without any."""
        self.repaired: set[UnreadableState] = set()
        """Projected again from their events."""
        self.lost: set[UnreadableState] = set()
        """Could not be projected either."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.repaired) + len(self.lost)

    def add(self, other: "DamagedStates") -> None:
        """Add those of another process."""
        self.repaired |= other.repaired
        self.lost |= other.lost

    def read(self, kind: str, key: str, decode: Callable[[], S], project: Callable[[], S]) -> S:
        """Return `decode()`, or `project()` if the state cannot be read. Raises UnreadableStateError."""
        try:
            return decode()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        try:
            state = project()
        except Exception as error:
            logger.exception("the state of %s %s cannot be read or projected", kind, key)
            _remember(self.lost, UnreadableState(kind, key))
            raise UnreadableStateError(
                f"the state of this {kind} cannot be read; `convolake verify` lists it"
            ) from error
        logger.warning("the state of %s %s was damaged; it was projected again", kind, key)
        _remember(self.repaired, UnreadableState(kind, key))
        return state


def _remember(states: set[UnreadableState], state: UnreadableState) -> None:
    if len(states) < MAX_UNREADABLE_STATES:
        states.add(state)


unreadable_states = UnreadableStates()
"""Those of this process; `/readyz` and the metrics report them."""


def read_conversation(engine: Engine, conversation_id: str, projection: bytes) -> Conversation:
    """Return the state of a conversation. Raises UnreadableStateError."""

    def project() -> Conversation:
        rows = _read_events(engine, events.c.conversation_id == conversation_id)
        state = projections.create(rows[0])
        for row in rows:
            projections.apply(state, row)
        # Due at once: the writer then sets the time of the next timer.
        state.next_timer_at = 0
        return state

    return unreadable_states.read(
        "conversation", conversation_id, lambda: decode_conversation(projection), project
    )


def read_message(
    engine: Engine, conversation_id: str, message_id: str, projection: bytes
) -> Message:
    """Return the state of a message. Raises UnreadableStateError."""

    def project() -> Message:
        state = Message(conversation_id, message_id)
        is_of_message = events.c.message_id == message_id
        for row in _read_events(engine, events.c.conversation_id == conversation_id, is_of_message):
            if rules_of(row.event_type).refers_to_message:
                message_state.apply(state, row)
        return state

    key = f"{conversation_id}/{message_id}"
    return unreadable_states.read("message", key, lambda: decode_message(projection), project)


def read_contact(engine: Engine, contact_id: str, projection: bytes) -> Contact:
    """Return the state of a contact. Raises UnreadableStateError."""

    def project() -> Contact:
        state = Contact(contact_id)
        for row in _read_events(engine, events.c.contact_id == contact_id):
            if rules_of(row.event_type).stream == "contact":
                contact_state.apply(state, row)
        return state

    return unreadable_states.read(
        "contact", contact_id, lambda: decode_contact(projection), project
    )


def read_scorecard(engine: Engine, name: str, version: int, projection: bytes) -> Scorecard:
    """Return a scorecard. Raises UnreadableStateError."""

    def project() -> Scorecard:
        found = map(review_state.to_scorecard, _read_types(engine, "scorecard.published"))
        return next(each for each in found if each and (each.name, each.version) == (name, version))

    return unreadable_states.read(
        "scorecard", f"{name}/{version}", lambda: decode_scorecard(projection), project
    )


def read_sample(engine: Engine, sample_id: str, projection: bytes) -> Sample:
    """Return a sample. Raises UnreadableStateError."""

    def project() -> Sample:
        rows = [
            row
            for row in _read_types(engine, "review.sampled", "review.item_replaced")
            if decode_payload(row).get("sample_id") == sample_id
        ]
        state = _require(review_state.to_sample(rows[0]))
        for row in rows[1:]:
            review_state.replace_item(state, row)
        return state

    return unreadable_states.read("sample", sample_id, lambda: decode_sample(projection), project)


def read_review(engine: Engine, review_id: str, projection: bytes) -> Review:
    """Return a review. Raises UnreadableStateError."""

    def project() -> Review:
        submitted = _read_events(
            engine, events.c.event_id == review_id, events.c.event_type == "review.submitted"
        )
        state = _require(review_state.to_review(submitted[0]))
        for row in _read_types(engine, "review.disputed", "review.resolved", "review.acknowledged"):
            if decode_payload(row).get("review_id") == review_id:
                review_state.apply_to_review(state, row)
        return state

    return unreadable_states.read("review", review_id, lambda: decode_review(projection), project)


def read_each(
    readers: Mapping[K, Callable[[], S]],
) -> tuple[dict[K, S], dict[K, UnreadableStateError]]:
    """Return what each reader returns, and the errors of those that cannot read."""
    found: dict[K, S] = {}
    unreadable: dict[K, UnreadableStateError] = {}
    for key, read in readers.items():
        try:
            found[key] = read()
        except UnreadableStateError as error:
            unreadable[key] = error
    return found, unreadable


def _require(state: S | None) -> S:
    if state is None:
        raise ValueError("the event does not have the payload of its type")
    return state


def _read_types(engine: Engine, *event_types: str) -> list[StoredEvent]:
    """Read the whole log for events of these types: no index has them, and a repair is rare."""
    return _read_events(engine, events.c.event_type.in_(event_types))


def _read_events(engine: Engine, *conditions: ColumnElement[bool]) -> list[StoredEvent]:
    query = select(events).where(*conditions).order_by(events.c.sequence, events.c.position)
    with engine.connect() as connection:
        return [StoredEvent(**row) for row in connection.execute(query).mappings()]
