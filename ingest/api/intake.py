"""Intake: from the bytes of a request to events for the log. Every event is counted, also a malformed one.

The log receives malformed events too, with their bytes and the reason, so that it keeps and counts them
in the same transaction as all others.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote
from uuid import uuid5

import msgspec
from fastapi import Request, Response
from msgspec import Meta, Struct

from ingest.api import request_body
from ingest.api.dependencies import AppContext, authorize, get_context, preload_credentials
from ingest.api.hook_gate import run_hooks
from ingest.api.id_paths import path_of
from ingest.auth.permissions import Caller
from ingest.contract import NAMESPACE, Visibility
from ingest.errors import IngestError, InvalidRequestError, LogUnavailableError
from ingest.events.draft import Command, Draft, Instant
from ingest.events.payloads import ConversationFields, Id, Name, Participant
from ingest.log.writer_requests import Acknowledgement, Append, IncomingEvent, Status

ParsedEvent = tuple[Draft, Command | None]
Parser = Callable[[bytes, str | None], ParsedEvent]
"""Returns the draft of a body; `event_id` is for a body without one.

Raises InvalidRequestError or a subclass.
"""


class Attachment(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file that another service stores."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s]{1,2000}\Z")]
    content_type: Annotated[str, Meta(max_length=128)]
    size: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    name: Annotated[str, Meta(max_length=256)] | None = None


class Choice(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A quick reply or a button: its label, and the text or the URL behind it."""

    title: Annotated[str, Meta(min_length=1, max_length=256)]
    value: Annotated[str, Meta(max_length=2000)] | None = None
    url: Annotated[str, Meta(pattern=r"^https?://[^\s]{1,2000}\Z")] | None = None


class NewMessage(Struct, kw_only=True, forbid_unknown_fields=True):
    """A message to record and deliver. With `event_id` it is safe to repeat.

    A bot sends the `control_epoch` that it saw. If control has changed since, the message is rejected.
    Without a `channel`, a reply has that of the message it replies to, else the customer's last one.
    """

    participant_id: Id
    text: str | None = None
    event_id: Id | None = None
    message_id: Id | None = None
    in_reply_to: Id | None = None
    channel: Name | None = None
    channel_account: Id | None = None
    bot_version: Id | None = None
    control_epoch: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    visibility: Visibility | None = None
    occurred_at: Instant | None = None
    attachments: list[Attachment] = []
    quick_replies: list[Choice] = []
    buttons: list[Choice] = []
    payload: dict[str, Any] | None = None


class NewConversation(ConversationFields, kw_only=True, forbid_unknown_fields=True):
    """A conversation to create. With `conversation_id` and `event_id` it is safe to repeat."""

    channel: Name
    conversation_id: Id | None = None
    event_id: Id | None = None
    channel_account: Id | None = None
    contact_id: Id | None = None
    participants: list[Participant] = msgspec.field(default_factory=list)
    is_test: bool = False
    occurred_at: Instant | None = None
    payload: dict[str, Any] | None = None


BOTS_PATH = "/v1/bots/"
"""Path of the loggers of bot frameworks; the log keeps their rejected events as those of `POST /v1/events`."""

_MESSAGE = msgspec.json.Decoder(NewMessage)
_CONVERSATION = msgspec.json.Decoder(NewConversation)
_DRAFT = msgspec.json.Decoder(Draft)


def parse_event(raw: bytes, event_id: str | None = None) -> ParsedEvent:
    """Return the draft of a body of `POST /v1/events`: a fact. Raises InvalidRequestError or a subclass."""
    draft = request_body.decode_event(raw, _DRAFT)
    if event_id is not None and draft.event_id is None:
        draft.event_id = event_id
    return draft, None


def parse_message(conversation_id: str, raw: bytes, event_id: str | None = None) -> ParsedEvent:
    """Return the draft of a body of `POST …/messages`. Raises InvalidRequestError or a subclass."""
    new = request_body.decode_event(raw, _MESSAGE)
    draft = Draft(
        event_type="message.created",
        conversation_id=conversation_id,
        participant_id=new.participant_id,
        text=new.text,
        event_id=new.event_id or event_id,
        message_id=new.message_id,
        in_reply_to=new.in_reply_to,
        channel=new.channel,
        channel_account=new.channel_account,
        bot_version=new.bot_version,
        visibility=new.visibility,
        occurred_at=new.occurred_at,
        payload=new.payload,
    )
    if new.attachments or new.quick_replies or new.buttons:
        draft.payload = _with_rest(new)
    return draft, Command(control_epoch=new.control_epoch)


def _with_rest(new: NewMessage) -> dict[str, Any]:
    named = {name: getattr(new, name) for name in ("attachments", "quick_replies", "buttons")}
    return {**(new.payload or {}), **{k: msgspec.to_builtins(v) for k, v in named.items() if v}}


def parse_conversation(
    source: str, new_id: Callable[[], str], raw: bytes, event_id: str | None = None
) -> ParsedEvent:
    """Return the draft of a body of `POST /v1/conversations`. Raises InvalidRequestError or a subclass.

    Without a conversation_id it gets one: derived from its event_id, so that it may be repeated, or else a
    new one.
    """
    new = request_body.decode_event(raw, _CONVERSATION)
    event_id = new.event_id or event_id
    payload = dict(new.payload or {}) | conversation_fields(new)
    if new.participants:
        payload["participants"] = msgspec.to_builtins(new.participants)
    return Draft(
        event_type="conversation.created",
        event_id=event_id,
        conversation_id=new.conversation_id or _conversation_id(source, event_id) or new_id(),
        channel=new.channel,
        channel_account=new.channel_account,
        contact_id=new.contact_id,
        is_test=new.is_test or None,
        occurred_at=new.occurred_at,
        payload=payload or None,
    ), Command()


def conversation_fields(given: ConversationFields) -> dict[str, Any]:
    """Return the fields that a body sets, as payload fields."""
    names = (
        name for name in ConversationFields.__struct_fields__ if getattr(given, name) is not None
    )
    return {name: msgspec.to_builtins(getattr(given, name)) for name in names}


def _conversation_id(source: str, event_id: str | None) -> str | None:
    return None if event_id is None else str(uuid5(NAMESPACE, f"conversation/{source}/{event_id}"))


def parser_for(path: str, source: str, new_id: Callable[[], str]) -> Parser:
    """Return the parser for the bodies of `path`; for replays."""
    if path == "/v1/events" or path.startswith(BOTS_PATH):
        return parse_event
    if path == "/v1/conversations":
        return partial(parse_conversation, source, new_id)
    if path.endswith("/messages"):
        return partial(parse_message, unquote(path.split("/")[3]))
    return _read_no_command


def _read_no_command(_raw: bytes, _event_id: str | None) -> ParsedEvent:
    raise InvalidRequestError(
        "a command is not replayed, because its purpose may be over; send it again"
    )


def parse(
    raw: bytes, reader: Parser, event_id: str | None = None, caller: Caller | None = None
) -> IncomingEvent:
    """Return `raw` as a submission, valid or not; `event_id` is for an event without one.

    An event that `caller` may not write is rejected. Without a caller it was allowed before (a replay).
    """
    try:
        draft, command = reader(raw, event_id)
        if caller is not None:
            caller.act_as(draft, event_id)
            if caller.user is not None and command is not None:
                command = msgspec.structs.replace(command, follows_successor=False)
        return IncomingEvent(raw, draft=draft, command=command)
    except IngestError as error:
        return IncomingEvent(raw, error=error)


def idempotent_event_id(request: Request, caller: Caller) -> str | None:
    """Return the event id of the request's Idempotency-Key; None without a key.

    The key belongs to the credential's source and its user, to the method and to the path, so that one
    key names one event a target. It never expires. Raises InvalidRequestError.
    """
    key = request_body.header(request, b"idempotency-key")
    if not key:
        return None
    if len(key) > request_body.MAX_IDEMPOTENCY_KEY_BYTES:
        raise InvalidRequestError(
            f"at most {request_body.MAX_IDEMPOTENCY_KEY_BYTES} bytes", "Idempotency-Key"
        )
    whose = (
        caller.source if caller.user is None else f"{caller.source}/{caller.user.participant_id}"
    )
    target = f"{request.scope['method']} {request.scope['path']}"
    return str(uuid5(NAMESPACE, f"idempotency/{whose}/{target}/{key}"))


def _with_idempotency_key(arrival: IncomingEvent, key: str | None) -> IncomingEvent:
    """Reject an event id in addition to an Idempotency-Key: two names could disagree."""
    if key is None or arrival.draft is None or arrival.draft.event_id == key:
        return arrival
    error = InvalidRequestError("send an Idempotency-Key or an event_id, not both", "$.event_id")
    return IncomingEvent(arrival.raw, error=error)


async def submit(state: AppContext, submission: Append) -> list[Acknowledgement]:
    """Submit a request to the log and count it. Raises LogUnavailableError."""
    state.metrics.count_received(submission.received)
    answers = await state.writer.submit(submission)
    state.metrics.count_acknowledgements(answers)
    return answers


async def ingest_one(
    request: Request,
    reader: Parser,
    *scopes: str,
    scope: str = "conversations:write",
    runs_hooks: bool = False,
) -> Response:
    """Ingest the one event of a request: 201, 200 for a duplicate, or a problem.

    With an Idempotency-Key a repeat gets the first answer again, byte for byte. For callers with
    `scope` or one of `scopes`. `runs_hooks`: hooks run before it is stored.
    """
    await preload_credentials(request)
    caller = authorize(request, scope, *scopes)
    event_id: str | None = None
    try:
        event_id = idempotent_event_id(request, caller)
        request_body.require_json(request)
        raw = await request_body.read_body(request, request_body.MAX_EVENT_BYTES)
        arrival = _with_idempotency_key(parse(raw, reader, event_id, caller), event_id)
        if runs_hooks and get_context(request).hooks.hooks:
            arrival = await run_hooks(get_context(request), caller.source, caller.channels, arrival)
    except IngestError as error:
        arrival = IncomingEvent(b"", error=error)
    (answer,) = await _submit(request, caller, 1, [arrival])
    return to_response(answer, is_keyed=event_id is not None)


async def ingest_batch(request: Request) -> Sequence[Acknowledgement] | Response:
    """Ingest the events of `POST /v1/events`. Return the response to a single event.

    Raises an error of the whole body, and then stores none of its events.
    """
    await preload_credentials(request)
    caller = authorize(request, "events:write")
    raw = b""
    arrival: IncomingEvent | None = None
    events: Sequence[msgspec.Raw] = []
    try:
        key = idempotent_event_id(request, caller)
        raw = await request_body.read_body(request, request_body.MAX_BATCH_BYTES)
        content_type = request_body.media_type(request)
        if content_type in request_body.JSON_TYPES and raw.lstrip()[:1] == b"{":
            arrival = _with_idempotency_key(parse(raw, parse_event, key, caller), key)
        else:
            events = request_body.split_batch(raw, content_type)
    except LogUnavailableError:
        raise
    except IngestError as error:
        await _submit(request, caller, 1, [IncomingEvent(raw, error=error)])
        raise
    if arrival is not None:
        (answer,) = await _submit(request, caller, 1, [arrival])
        return to_response(answer, is_keyed=key is not None)
    arrivals = [
        parse(bytes(each), parse_event, None if key is None else f"{key}-{number}", caller)
        for number, each in enumerate(events)
    ]
    return await _submit(request, caller, len(events), arrivals)


async def _submit(
    request: Request, caller: Caller, received: int, arrivals: Sequence[IncomingEvent]
) -> list[Acknowledgement]:
    if not arrivals:
        return []
    return await submit(
        get_context(request),
        Append(caller.source, path_of(request.scope), received, arrivals, channels=caller.channels),
    )


def to_response(answer: Acknowledgement, *, is_keyed: bool = False) -> Response:
    """Return the response to one event. Raises its error."""
    if answer.error is not None:
        raise answer.error
    if answer.status == "duplicate" and is_keyed:
        first = msgspec.structs.replace(answer, status=_first_status(answer))
        response = to_response(first)
        response.headers["idempotent-replayed"] = "true"
        return response
    status = {"accepted": 201, "parked": 202}.get(answer.status, 200)
    return Response(encode_json(answer), status, media_type="application/json")


def _first_status(answer: Acknowledgement) -> Status:
    waits = answer.conversation_id is not None and answer.sequence is None
    return "parked" if waits else "accepted"


def _problem(value: Any) -> Any:
    if isinstance(value, IngestError):
        return value.problem()
    raise TypeError(type(value).__name__)


encode_json = msgspec.json.Encoder(enc_hook=_problem).encode
