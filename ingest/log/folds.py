"""The rules of the record, pure: a conversation's state and one event in, rows out.

`admit` decides everything that is decided at commit: is it allowed, which sequence, which
session, what becomes of the state. It neither reads a clock nor touches a store, so the
same log always folds to the same state.
"""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any
from uuid import uuid5

import msgspec
from msgspec import Meta, Struct

from ingest.contract import NAMESPACE, EventType, Role, Visibility, event_type, to_micros
from ingest.errors import (
    ConversationExistsError,
    EventRejectedError,
    ForbiddenTypeError,
    UnknownConversationError,
)

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,127}\Z"
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Instant = Annotated[datetime, Meta(tz=True)]

OCCURRED = tuple(
    to_micros(datetime.fromisoformat(text))
    for text in ("0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z")
)
"""First and last instant that every zone can write: a day away from both ends of the calendar."""

EARLIEST = to_micros(datetime.fromisoformat("1990-01-01T00:00:00Z"))
"""No channel of ours is older; an earlier `happened_at` is a broken clock (1970, 0001)."""


class Draft(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a producer may say of an event. The rest is stamped by the log."""

    event_type: str
    event_id: Id | None = None
    schema_version: Annotated[int, Meta(ge=1, le=1)] = 1
    conversation_id: Id | None = None
    participant_id: Id | None = None
    participant_role: Role | None = None
    contact_id: Id | None = None
    channel: Name | None = None
    channel_account: Id | None = None
    message_id: Id | None = None
    handoff_id: Id | None = None
    in_reply_to: Id | None = None
    caused_by: Id | None = None
    bot_version: Id | None = None
    queue: Id | None = None
    visibility: Visibility | None = None
    is_test: bool | None = None
    occurred_at: Instant | None = None
    happened_at: Instant | None = None
    text: str | None = None
    payload: dict[str, Any] | None = None


class Participant(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody in a conversation."""

    participant_id: Id
    participant_role: Role
    contact_id: Id | None = None


class Conversation(Struct):
    """State of one conversation; the columns of the table of that name."""

    conversation_id: str
    created_position: int
    created_at: int
    channel: str
    channel_account: str | None
    contact_id: str | None
    is_test: bool
    state: str
    last_sequence: int
    message_count: int
    latest_at: int
    session_id: str | None
    session_number: int
    participants: dict[str, str]


class Row(Struct, kw_only=True):
    """One event as it will be stored, in the order of `contract.COLUMNS`; instants in microseconds.

    The writer fills in `shard`, `position` and `committed_at`.
    """

    event_id: str
    event_type: str
    schema_version: int = 1
    shard: int = 0
    position: int = 0
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    participant_id: str | None = None
    participant_role: str | None = None
    contact_id: str | None = None
    channel: str | None = None
    channel_account: str | None = None
    message_id: str | None = None
    handoff_id: str | None = None
    in_reply_to: str | None = None
    caused_by: str | None = None
    bot_version: str | None = None
    queue: str | None = None
    visibility: str
    is_test: bool = False
    occurred_at: int | None = None
    received_at: int
    committed_at: int = 0
    happened_at: int
    text: str | None = None
    payload: str | None = None
    source: str
    fingerprint: bytes


_FINGERPRINT = msgspec.json.Encoder(order="deterministic")

STATES = ("active", "inactive", "closed")

SERVER = "convolake"
"""`source` of the events that the log writes by itself."""


def receive(draft: Draft, source: str, received_at: int, event_id: str) -> Row:
    """The row of `draft` as far as the door can fill it.

    The fingerprint covers all that the producer said, in whatever order it said it.
    """
    happened_at = received_at if draft.happened_at is None else to_micros(draft.happened_at)
    payload = None if draft.payload is None else msgspec.json.encode(draft.payload).decode()
    return Row(
        event_id=event_id,
        event_type=draft.event_type,
        schema_version=draft.schema_version,
        conversation_id=draft.conversation_id,
        participant_id=draft.participant_id,
        participant_role=draft.participant_role,
        contact_id=draft.contact_id,
        channel=draft.channel,
        channel_account=draft.channel_account,
        message_id=draft.message_id,
        handoff_id=draft.handoff_id,
        in_reply_to=draft.in_reply_to,
        caused_by=draft.caused_by,
        bot_version=draft.bot_version,
        queue=draft.queue,
        visibility="public",
        is_test=bool(draft.is_test),
        occurred_at=None if draft.occurred_at is None else to_micros(draft.occurred_at),
        received_at=received_at,
        happened_at=min(happened_at, received_at),
        text=draft.text,
        payload=payload,
        source=source,
        fingerprint=blake2b(_FINGERPRINT.encode(draft), digest_size=16).digest(),
    )


def admit(
    draft: Draft,
    row: Row,
    state: Conversation | None,
    session_timeout: int,
) -> tuple[list[Row], Conversation | None]:
    """Rows that `draft` becomes (server events around it included) and the state after them.

    `row` is the draft's own row as far as the door could fill it (`receive`); it is completed
    here. `session_timeout` is in microseconds. `state` is changed in place.
    Raises EventRejectedError or a child of it, and then has changed nothing.
    """
    kind = _check(draft)
    row.visibility = draft.visibility or kind.visibility
    if kind.stream == "contact":
        if draft.conversation_id is not None:
            raise EventRejectedError(
                "an event of a contact belongs to no conversation", "$.conversation_id"
            )
        return [row], state
    if draft.conversation_id is None:
        raise EventRejectedError("conversation_id is missing", "$.conversation_id")
    if draft.event_type == "conversation.created":
        if state is not None:
            raise ConversationExistsError(
                "a conversation with this id exists already", "$.conversation_id"
            )
        state = _create(draft, row)
    elif state is None:
        raise UnknownConversationError("create the conversation first", "$.conversation_id")
    _identify(row, state)
    return _place(row, state, session_timeout), state


def _check(draft: Draft) -> EventType:
    kind = event_type(draft.event_type)
    if kind is None:
        raise EventRejectedError(
            "no event type has this name; the API page lists them", "$.event_type"
        )
    if kind.stream == "ephemeral":
        raise EventRejectedError(
            "typing is not stored; this log keeps durable events only", "$.event_type"
        )
    if kind.writer != "client":
        raise ForbiddenTypeError(
            f"only the {kind.writer} writes events of this type", "$.event_type"
        )
    for name in kind.requires:
        if getattr(draft, name) is None:
            raise EventRejectedError(f"{name} is missing", f"$.{name}")
    if (
        draft.event_type == "message.created"
        and draft.text is None
        and not (draft.payload or {}).get("attachments")
    ):
        raise EventRejectedError("a message has a text or payload.attachments", "$.text")
    if draft.text is not None and "\0" in draft.text:
        raise EventRejectedError("U+0000 cannot be stored", "$.text")
    if (
        draft.event_type == "conversation.state_changed"
        and (draft.payload or {}).get("to") not in STATES
    ):
        raise EventRejectedError("payload.to is active, inactive or closed", "$.payload.to")
    if (
        draft.occurred_at is not None
        and not OCCURRED[0] <= to_micros(draft.occurred_at) <= OCCURRED[1]
    ):
        raise EventRejectedError("occurred_at is at the end of the calendar", "$.occurred_at")
    if draft.happened_at is not None and to_micros(draft.happened_at) < EARLIEST:
        raise EventRejectedError("happened_at is before 1990", "$.happened_at")
    return kind


def _create(draft: Draft, row: Row) -> Conversation:
    try:
        given = msgspec.convert((draft.payload or {}).get("participants", []), list[Participant])
    except msgspec.ValidationError:
        raise EventRejectedError(
            "payload.participants is a list of {participant_id, participant_role, contact_id?}",
            "$.payload.participants",
        ) from None
    return Conversation(
        conversation_id=draft.conversation_id or "",
        created_position=0,
        created_at=row.happened_at,
        channel=draft.channel or "",
        channel_account=draft.channel_account,
        contact_id=draft.contact_id,
        is_test=bool(draft.is_test),
        state="active",
        last_sequence=0,
        message_count=0,
        latest_at=row.happened_at,
        session_id=None,
        session_number=0,
        participants={each.participant_id: each.participant_role for each in given},
    )


def _identify(row: Row, state: Conversation) -> None:
    """Fill in what the conversation knows: who it was, where, whether it counts."""
    if row.participant_id is not None:
        known = state.participants.get(row.participant_id)
        if row.participant_role is None:
            row.participant_role = known
        if row.participant_role is None:
            raise EventRejectedError(
                "this participant is not in the conversation; let it join, or give participant_role",
                "$.participant_id",
            )
    row.channel = row.channel or state.channel
    row.channel_account = row.channel_account or state.channel_account
    row.is_test = row.is_test or state.is_test
    if row.event_type == "message.created" and row.message_id is None:
        row.message_id = row.event_id


def _place(row: Row, state: Conversation, session_timeout: int) -> list[Row]:
    """Sequence and session for the row, with the session events that it causes."""
    rows: list[Row] = []
    idle = max(0, row.happened_at - state.latest_at)
    if state.session_id is not None and idle >= session_timeout:
        rows.append(_end_session(row, state, "timeout", state.latest_at + session_timeout))
    started = state.session_id is None
    if started:
        state.session_number += 1
        state.session_id = str(
            uuid5(NAMESPACE, f"session/{state.conversation_id}/{state.session_number}")
        )
    if started and row.event_type != "conversation.created":
        rows.append(_start_session(row, state))
    row.sequence = _next_sequence(state)
    row.session_id = state.session_id
    rows.append(row)
    if started and row.event_type == "conversation.created":
        # A conversation's first event is its creation, also where that opens its first session.
        rows.append(_start_session(row, state))
    reason = _apply(row, state)
    if reason is not None:
        rows.append(_end_session(row, state, reason, row.happened_at))
    return rows


def _apply(row: Row, state: Conversation) -> str | None:
    """Fold one placed event into the state; the reason if it ends the session."""
    state.latest_at = max(state.latest_at, row.happened_at)
    if row.participant_id is not None and row.participant_role is not None:
        state.participants[row.participant_id] = row.participant_role
    match row.event_type:
        case "message.created":
            state.message_count += 1
            if row.participant_role == "customer":
                _become(state, "active")
        case "conversation.resolved":
            _become(state, "resolved")
        case "conversation.reopened":
            _become(state, "active")
        case "conversation.state_changed":
            return _change_state(row, state)
        case "participant.left":
            return _leave(row, state)
    return None


def _change_state(row: Row, state: Conversation) -> str | None:
    to: str = msgspec.json.decode(row.payload or "{}")["to"]
    _become(state, to)
    return "conversation_closed" if to == "closed" else None


def _become(state: Conversation, to: str) -> None:
    """Resolved is undone by the customer's next message; closed is final."""
    if state.state != "closed":
        state.state = to


def _leave(row: Row, state: Conversation) -> str | None:
    del state.participants[row.participant_id or ""]
    gone = row.participant_role == "customer" and "customer" not in state.participants.values()
    return "participant_left" if gone else None


def _next_sequence(state: Conversation) -> int:
    state.last_sequence += 1
    return state.last_sequence


def _start_session(row: Row, state: Conversation) -> Row:
    payload = {"number": state.session_number, "rule_version": 1}
    return _server_event("session.started", row, state, row.happened_at, payload)


def _end_session(row: Row, state: Conversation, reason: str, at: int) -> Row:
    ended = _server_event("session.ended", row, state, at, {"reason": reason})
    state.session_id = None
    return ended


def _server_event(
    name: str, cause: Row, state: Conversation, at: int, payload: dict[str, Any]
) -> Row:
    return Row(
        event_id=str(uuid5(NAMESPACE, f"{name}/{state.session_id}")),
        event_type=name,
        conversation_id=state.conversation_id,
        sequence=_next_sequence(state),
        session_id=state.session_id,
        participant_role="system",
        channel=state.channel,
        channel_account=state.channel_account,
        caused_by=cause.event_id,
        visibility="internal",
        is_test=state.is_test,
        received_at=cause.received_at,
        happened_at=at,
        payload=msgspec.json.encode(payload).decode(),
        source=SERVER,
        fingerprint=b"",
    )
