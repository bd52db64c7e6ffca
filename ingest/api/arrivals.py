"""From the bytes of a request to arrivals for the log: every event is counted, also a bad one.

What cannot be read goes to the log as well, with its bytes and the reason, so that it is kept
and counted in the same transaction as all else.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid5

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from ingest.api import bodies
from ingest.api.state import ApiState, authorize, state_of
from ingest.contract import NAMESPACE, Visibility
from ingest.errors import IngestError, LogUnavailableError
from ingest.log.folds import Draft, Id, Instant, Name, Participant
from ingest.log.submission import Acknowledgement, Arrival, Submission

Reader = Callable[[bytes], Draft]


class NewMessage(Struct, kw_only=True, forbid_unknown_fields=True):
    """A message to put on the record and deliver. `event_id` makes it safe to send again."""

    participant_id: Id
    text: str | None = None
    event_id: Id | None = None
    message_id: Id | None = None
    in_reply_to: Id | None = None
    bot_version: Id | None = None
    visibility: Visibility | None = None
    occurred_at: Instant | None = None
    payload: dict[str, Any] | None = None


class NewConversation(Struct, kw_only=True, forbid_unknown_fields=True):
    """A conversation to open. `conversation_id` and `event_id` make it safe to send again."""

    channel: Name
    conversation_id: Id | None = None
    event_id: Id | None = None
    channel_account: Id | None = None
    contact_id: Id | None = None
    participants: list[Participant] = []
    is_test: bool = False
    occurred_at: Instant | None = None
    payload: dict[str, Any] | None = None


_MESSAGE = msgspec.json.Decoder(NewMessage)
_CONVERSATION = msgspec.json.Decoder(NewConversation)
_DRAFT = msgspec.json.Decoder(Draft)


def read_event(raw: bytes) -> Draft:
    """A body of `POST /v1/events`. Raises InvalidRequestError or a child of it."""
    return bodies.decode_event(raw, _DRAFT)


def read_message(conversation_id: str, raw: bytes) -> Draft:
    """A body of `POST …/messages`. Raises InvalidRequestError or a child of it."""
    new = bodies.decode_event(raw, _MESSAGE)
    return Draft(
        event_type="message.created",
        conversation_id=conversation_id,
        participant_id=new.participant_id,
        text=new.text,
        event_id=new.event_id,
        message_id=new.message_id,
        in_reply_to=new.in_reply_to,
        bot_version=new.bot_version,
        visibility=new.visibility,
        occurred_at=new.occurred_at,
        payload=new.payload,
    )


def read_conversation(source: str, new_id: Callable[[], str], raw: bytes) -> Draft:
    """A body of `POST /v1/conversations`. Raises InvalidRequestError or a child of it.

    Without a conversation_id it gets one: from its event_id if it names one, so that it may be
    sent again, else a new one.
    """
    new = bodies.decode_event(raw, _CONVERSATION)
    payload = dict(new.payload or {})
    if new.participants:
        payload["participants"] = msgspec.to_builtins(new.participants)
    return Draft(
        event_type="conversation.created",
        event_id=new.event_id,
        conversation_id=new.conversation_id or _conversation_id(source, new.event_id) or new_id(),
        channel=new.channel,
        channel_account=new.channel_account,
        contact_id=new.contact_id,
        is_test=new.is_test or None,
        occurred_at=new.occurred_at,
        payload=payload or None,
    )


def _conversation_id(source: str, event_id: str | None) -> str | None:
    return None if event_id is None else str(uuid5(NAMESPACE, f"conversation/{source}/{event_id}"))


def reader_of(path: str, source: str, new_id: Callable[[], str]) -> Reader:
    """How a body that came in at `path` is read; for replays."""
    if path.endswith("/messages"):
        return partial(read_message, path.split("/")[3])
    return partial(read_conversation, source, new_id) if path == "/v1/conversations" else read_event


def arrive(raw: bytes, reader: Reader) -> Arrival:
    """`raw` as an arrival, whatever it is."""
    try:
        return Arrival(raw, draft=reader(raw))
    except IngestError as error:
        return Arrival(raw, error=error)


async def submit(state: ApiState, submission: Submission) -> list[Acknowledgement]:
    """Hand a submission to the log and count it. Raises LogUnavailableError."""
    state.metrics.came(submission.came)
    answers = await state.writer.submit(submission)
    state.metrics.count(answers)
    return answers


async def take_one(request: Request, reader: Reader) -> Response:
    """Put the one event of a request on the record: 201, 200 for a duplicate, or its problem."""
    source = authorize(request)
    try:
        raw = await bodies.read_body(request, bodies.EVENT_BYTES)
    except IngestError as error:
        return await _answer_one(request, source, Arrival(b"", error=error))
    return await _answer_one(request, source, arrive(raw, reader))


async def take_batch(request: Request) -> tuple[Sequence[Acknowledgement], bool]:
    """Put the events of `POST /v1/events` on the record; whether it was one event by itself.

    Raises what is wrong with the body as a whole, and then nothing of it is on the record.
    """
    source = authorize(request)
    raw = b""
    try:
        raw = await bodies.read_body(request, bodies.BATCH_BYTES)
        content_type = bodies.media_type(request)
        if content_type in bodies.JSON_TYPES and raw.lstrip()[:1] == b"{":
            return await _submit(request, source, 1, [arrive(raw, read_event)]), True
        events = bodies.split_batch(raw, content_type)
    except LogUnavailableError:
        raise
    except IngestError as error:
        await _submit(request, source, 1, [Arrival(raw, error=error)])
        raise
    came = len(events)
    return await _submit(
        request, source, came, [arrive(bytes(each), read_event) for each in events]
    ), False


async def _submit(
    request: Request, source: str, came: int, arrivals: Sequence[Arrival]
) -> list[Acknowledgement]:
    if not arrivals:
        return []
    return await submit(
        state_of(request), Submission(source, request.scope["path"], came, arrivals)
    )


async def _answer_one(request: Request, source: str, arrival: Arrival) -> Response:
    (answer,) = await _submit(request, source, 1, [arrival])
    return answer_one(answer)


def answer_one(answer: Acknowledgement) -> Response:
    """The response to one event. Raises its error."""
    if answer.error is not None:
        raise answer.error
    status = 201 if answer.status == "accepted" else 200
    return Response(encode(answer), status, media_type="application/json")


def _problem(value: Any) -> Any:
    if isinstance(value, IngestError):
        return value.problem()
    raise TypeError(type(value).__name__)


encode = msgspec.json.Encoder(enc_hook=_problem).encode
