"""What a producer may say of an event, and what is wrong with it whatever the conversation."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ingest.contract import Role, Visibility, to_micros
from ingest.errors import EventRejectedError, ForbiddenTypeError
from ingest.events.types import EventType, event_type

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,127}\Z"
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Instant = Annotated[datetime, Meta(tz=True)]

OCCURRED_AT_RANGE = tuple(
    to_micros(datetime.fromisoformat(text))
    for text in ("0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z")
)
"""First and last instant that every zone can write: a day away from both ends of the calendar."""

EARLIEST_HAPPENED_AT = to_micros(datetime.fromisoformat("1990-01-01T00:00:00Z"))
"""No channel of ours is older; an earlier `happened_at` is a broken clock (1970, 0001)."""

CONVERSATION_STATES = ("active", "inactive", "closed")

COMMANDABLE_TYPES = frozenset({"session.ended"})
"""Types that only the server writes, also when a client commands it to."""


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


class Command(Struct, frozen=True):
    """What a client that commands has seen: what became otherwise since refuses the command.

    A fact (`POST /v1/events`) has none: it happened, and is stored whatever the state is.
    """

    control_epoch: int | None = None
    version: int | None = None
    stays: bool = False
    """A user's token is for its conversation, not for the one that continues it."""


class Participant(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody in a conversation, as a client names them."""

    participant_id: Id
    participant_role: Role
    contact_id: Id | None = None
    attributes: dict[str, Any] = {}


Label = Annotated[str, Meta(min_length=1, max_length=64)]


class ConversationFields(Struct, kw_only=True, omit_defaults=True):
    """What clients set of a conversation: `payload` of its creation and of its updates.

    Other fields of a payload are kept as they are and mean nothing to the log.
    """

    conversation_key: Id | None = None
    subject: Annotated[str, Meta(max_length=512)] | None = None
    attributes: dict[str, Any] | None = None
    labels: Annotated[list[Label], Meta(max_length=64)] | None = None
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    inactive_after: str | None = None
    closed_after: str | None = None
    hand_off_on_bot_failure: bool | None = None
    session_attributes: dict[str, Any] | None = None


def validate_draft(draft: Draft, command: Command | None) -> EventType:
    """The draft's type. Raises EventRejectedError or a child of it."""
    kind = event_type(draft.event_type)
    if kind is None:
        raise EventRejectedError(
            "no event type has this name; the API page lists them", "$.event_type"
        )
    if kind.stream == "ephemeral" and command is None:
        raise EventRejectedError(
            "typing is not stored; this log keeps durable events only", "$.event_type"
        )
    if kind.writer != "client" and (command is None or draft.event_type not in COMMANDABLE_TYPES):
        raise ForbiddenTypeError(
            f"only the {kind.writer} writes events of this type", "$.event_type"
        )
    for name in kind.requires:
        if getattr(draft, name) is None:
            raise EventRejectedError(f"{name} is missing", f"$.{name}")
    _check_content(draft)
    _check_times(draft)
    return kind


def _check_content(draft: Draft) -> None:
    payload = draft.payload or {}
    if draft.text is not None and "\0" in draft.text:
        raise EventRejectedError("U+0000 cannot be stored", "$.text")
    match draft.event_type:
        case "message.created" if draft.text is None and not payload.get("attachments"):
            raise EventRejectedError("a message has a text or payload.attachments", "$.text")
        case "message.edited" if draft.text is None:
            raise EventRejectedError("an edit gives the new text", "$.text")
        case "conversation.state_changed" if payload.get("to") not in CONVERSATION_STATES:
            raise EventRejectedError("payload.to is active, inactive or closed", "$.payload.to")


def _check_times(draft: Draft) -> None:
    if (
        draft.occurred_at is not None
        and not OCCURRED_AT_RANGE[0] <= to_micros(draft.occurred_at) <= OCCURRED_AT_RANGE[1]
    ):
        raise EventRejectedError("occurred_at is at the end of the calendar", "$.occurred_at")
    if draft.happened_at is not None and to_micros(draft.happened_at) < EARLIEST_HAPPENED_AT:
        raise EventRejectedError("happened_at is before 1990", "$.happened_at")


def parse_conversation_fields(payload: dict[str, Any] | None) -> ConversationFields:
    """What a payload sets. Raises EventRejectedError."""
    try:
        return msgspec.convert(payload or {}, ConversationFields)
    except msgspec.ValidationError as error:
        place = str(error).rpartition("`$")[2].rstrip("`") or ""
        raise EventRejectedError(
            "not a value that this field takes; the API page lists them", f"$.payload{place}"
        ) from None
