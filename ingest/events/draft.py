"""A draft: an event as a producer sends it, and the checks that need no state."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ingest.contract import Role, Visibility, to_micros
from ingest.errors import EventRejectedError, ForbiddenTypeError
from ingest.events.payloads import Id, Name
from ingest.events.types import EventType, find_event_type
from ingest.events.validation import explain

Instant = Annotated[datetime, Meta(tz=True)]

OCCURRED_AT_RANGE = tuple(
    to_micros(datetime.fromisoformat(text))
    for text in ("0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z")
)
"""First and last `occurred_at`: one day inside the calendar, so that every time zone can show it."""

EARLIEST_HAPPENED_AT = to_micros(datetime.fromisoformat("1990-01-01T00:00:00Z"))
"""Earliest `happened_at`. No channel is older; an earlier value is a broken clock (1970, 0001)."""


class Draft(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The columns that a producer may give. The log fills in the others."""

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


class Command(Struct, frozen=True, array_like=True):
    """What a commanding client has seen. The log rejects the command if the state differs.

    A fact (`POST /v1/events`) has no command: it happened, and is stored whatever the state is.
    """

    control_epoch: int | None = None
    version: int | None = None
    follows_successor: bool = True
    """Whether a message to a closed conversation opens or reaches its successor. A user token is
    valid for one conversation, so its messages do not follow."""
    skipped_hooks: bool = False
    """Hooks did not run, because the conversation did not have the participant. If it has by the time of
    the commit, the message is rejected, so that no message bypasses the hooks.
    """


def validate_draft(draft: Draft, command: Command | None) -> EventType:
    """Return the draft's event type. Raises EventRejectedError or a subclass."""
    kind = find_event_type(draft.event_type)
    if kind is None:
        raise EventRejectedError(
            "no event type has this name; the API page lists them", "$.event_type"
        )
    if not kind.is_stored and command is None:
        raise EventRejectedError("typing is not stored; send it to …/typing", "$.event_type")
    if kind.writer != "client" and (command is None or not kind.is_commandable):
        raise ForbiddenTypeError(
            f"only the {kind.writer} writes events of this type", "$.event_type"
        )
    for name in kind.requires:
        if getattr(draft, name) is None:
            raise EventRejectedError(f"{name} is missing", f"$.{name}")
    _validate_text(draft)
    validate_payload(kind, draft.payload)
    _validate_times(draft)
    return kind


def validate_payload(kind: EventType, payload: dict[str, Any] | None) -> None:
    """Check a payload against the struct of its event type. Raises EventRejectedError."""
    if payload is None and not kind.requires_payload:
        return
    try:
        msgspec.convert(payload or {}, kind.payload)
    except msgspec.ValidationError as error:
        raise EventRejectedError(*explain(error, "$.payload")) from None


def _validate_text(draft: Draft) -> None:
    if draft.text is not None and "\0" in draft.text:
        raise EventRejectedError("U+0000 cannot be stored", "$.text")
    is_empty = draft.text is None and not (draft.payload or {}).get("attachments")
    if draft.event_type == "message.created" and is_empty:
        raise EventRejectedError("a message has a text or payload.attachments", "$.text")


def _validate_times(draft: Draft) -> None:
    first, last = OCCURRED_AT_RANGE
    if draft.occurred_at is not None and not first <= to_micros(draft.occurred_at) <= last:
        raise EventRejectedError("occurred_at is at the end of the calendar", "$.occurred_at")
    if draft.happened_at is not None and to_micros(draft.happened_at) < EARLIEST_HAPPENED_AT:
        raise EventRejectedError("happened_at is before 1990", "$.happened_at")
