"""Frames between the API and a writer in a process of its own: MessagePack, many requests or results in each.

Both ends run the same code, on a socket that no other process has. So what is rare and is no plain data
(errors, what a builder receives) is pickled, and fields that intake has checked are not checked again.
"""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from ingest.errors import IngestError
from ingest.events.draft import Draft
from ingest.events.stored_event import StoredEvent, fingerprint_of
from ingest.log.committer import LogStatus, Received, Result
from ingest.log.framing import frame
from ingest.log.storage.compiler import Compiler
from ingest.log.storage.state_reader import DamagedStates
from ingest.log.writer_requests import (
    Acknowledgement,
    Append,
    DeferredAppend,
    Execute,
    IncomingEvent,
    UnreadableRequest,
    WriterRequest,
)


def _unchecked(kind: type[Draft]) -> Any:
    """Return the struct with the same fields, without their constraints: patterns cost most of its decoding."""
    hints = get_type_hints(kind)
    fields = [
        (each.name, hints[each.name], each.default)
        if each.default is not msgspec.NODEFAULT
        else (each.name, hints[each.name])
        for each in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(
        f"Unchecked{kind.__name__}", fields, bases=(kind,), kw_only=True, omit_defaults=True
    )


class _Incoming(IncomingEvent):
    draft: _unchecked(Draft) | None = None  # type: ignore[valid-type]


class _Append(Struct, array_like=True):
    """An append without statements; the hot one."""

    received_at: int
    source: str
    path: str
    received: int
    events: Sequence[IncomingEvent]
    replay_of: int | None
    channels: frozenset[str]


class _ReadAppend(_Append, array_like=True):
    events: list[_Incoming]


class _Requests(Struct, array_like=True):
    """A frame to the writer. `now`: the API's clock.

    `deferred`: the deferred appends, pickled together; a None among the requests is the next of them.
    Calls of a provider have their account and most of their types in common.
    """

    now: int
    requests: list[_Append | bytes | None]
    deferred: bytes = b""


class _ReadRequests(Struct, array_like=True):
    now: int
    requests: list[_ReadAppend | bytes | None]
    deferred: bytes


class _Event(StoredEvent, array_like=True, kw_only=True):
    """An event as an array: half as long."""


class Answer(Struct, array_like=True):
    """The result of one request. `outcome`: that of a deferred append, pickled.

    `has_to_be_alone`: it was not read, because one of those that were sent together cannot be.
    """

    acknowledgements: list[Acknowledgement] = []
    error: Exception | None = None
    outcome: bytes | None = None
    has_to_be_alone: bool = False


class _Commit(Struct, array_like=True):
    status: LogStatus
    answers: list[Answer]
    events: Sequence[Any] | msgspec.Raw
    damaged: DamagedStates | None
    messages: Sequence[bytes]


class Commit(Struct, array_like=True):
    """A frame from the writer: the results of the oldest requests without one, and the events of their commit.

    `damaged`: all states that it could not read, if there are new ones. `messages`: of other API processes.
    """

    status: LogStatus
    answers: list[Answer]
    events: list[_Event]
    damaged: DamagedStates | None
    messages: list[bytes]


def encode_requests(batch: Sequence[Received], now: int, compiler: Compiler) -> bytes:
    """Return requests as a frame. Raises an error if one of several cannot be sent as it is.

    One alone is pickled then: MessagePack has no integers above 64 bits.
    """
    try:
        requests = [_to_wire(each, compiler) for each in batch]
        deferred = [
            Received(each.request, each.received_at)
            for each in batch
            if isinstance(each.request, DeferredAppend)
        ]
        packed = pickle.dumps(deferred, protocol=5) if deferred else b""
        return frame(_encode(_Requests(now, requests, packed)))
    except Exception:
        if len(batch) > 1:
            raise
        return frame(_encode(_Requests(now, [_pickled(each, compiler) for each in batch])))


def _to_wire(received: Received, compiler: Compiler) -> _Append | bytes | None:
    request = received.request
    if isinstance(request, DeferredAppend):
        return None
    if not isinstance(request, Append) or request.statements or request.record is not None:
        return _pickled(received, compiler)
    for incoming in request.events:
        if incoming.draft is not None:
            _add_fingerprint(incoming, incoming.draft)
    return _Append(
        received.received_at,
        request.source,
        request.path,
        request.received,
        request.events,
        request.replay_of,
        request.channels,
    )


def _add_fingerprint(incoming: IncomingEvent, draft: Draft) -> None:
    """Take the fingerprint here: MessagePack loses the time zone that the producer sent, and the writer has more to do."""
    if incoming.fingerprint is None:
        incoming.fingerprint = fingerprint_of(draft)


def _pickled(received: Received, compiler: Compiler) -> bytes:
    return pickle.dumps(
        Received(_with_text(received.request, compiler), received.received_at), protocol=5
    )


def _with_text(request: WriterRequest, compiler: Compiler) -> WriterRequest:
    """Return a request whose statements are SQL text with values."""
    if not isinstance(request, Append | Execute) or not request.statements:
        return request
    return replace(request, statements=[compiler.compile(each) for each in request.statements])


def decode_requests(content: bytes) -> tuple[int, list[Received]]:
    """Return the API's clock and the requests of a frame."""
    read = _decode_requests(content)
    deferred = iter(_read_deferred(read.deferred, read.requests.count(None)))
    return read.now, [
        next(deferred) if each is None else _to_received(each) for each in read.requests
    ]


def _to_received(wire: _ReadAppend | bytes) -> Received:
    if isinstance(wire, bytes):
        return _unpickled(wire)
    append = Append(
        wire.source, wire.path, wire.received, wire.events, wire.replay_of, wire.channels
    )
    return Received(append, wire.received_at)


def _unpickled(content: bytes) -> Received:
    """Return a request; or one that says why it cannot be read: it must not fail the others."""
    try:
        received: Received = pickle.loads(content)  # noqa: S301 (our own process)
    except Exception as error:
        return _unreadable(error)
    return received


def encode_events(events: Sequence[StoredEvent]) -> msgspec.Raw:
    """Return events as a part of frames, encoded once for all of them."""
    return msgspec.Raw(_encode([msgspec.structs.astuple(each) for each in events]))


def _read_deferred(content: bytes, count: int) -> list[Received]:
    """Return the deferred appends of a frame, or the reason why they cannot be read, for each."""
    if not count:
        return []
    try:
        deferred: list[Received] = pickle.loads(content)  # noqa: S301 (our own process)
    except Exception as error:
        return [_unreadable(error, is_one_of_several=count > 1)] * count
    return deferred


def _unreadable(error: Exception, *, is_one_of_several: bool = False) -> Received:
    reason = f"the writer cannot read the request ({type(error).__name__})"
    return Received(UnreadableRequest(reason, is_one_of_several), 0)


def encode_commit(
    status: LogStatus,
    requests: Sequence[Received],
    results: Sequence[Result],
    events: Sequence[StoredEvent] | msgspec.Raw,
    damaged: DamagedStates | None = None,
    messages: Sequence[bytes] = (),
) -> bytes:
    """Return the results of requests and the events of their commit as a frame."""
    answers = [
        _answer(each.request, result) for each, result in zip(requests, results, strict=True)
    ]
    rows = (
        events
        if isinstance(events, msgspec.Raw)
        else [msgspec.structs.astuple(each) for each in events]
    )
    return frame(_encode(_Commit(status, answers, rows, damaged, messages)))


def encode_greeting(position: int) -> bytes:
    """Return the first frame of an API process to a writer that it shares: the last position that it knows."""
    return frame(_encode(position))


def _answer(request: WriterRequest, result: Result) -> Answer:
    if isinstance(request, UnreadableRequest) and request.is_one_of_several:
        return Answer(has_to_be_alone=True)
    if isinstance(result, IngestError):
        return Answer(error=result)
    if isinstance(result, Exception):  # one of a library may not survive pickling
        return Answer(error=RuntimeError(f"{type(result).__name__}: {result}"))
    if isinstance(request, DeferredAppend):
        return Answer(result, outcome=pickle.dumps(request.outcome))
    return Answer(result)


def take_answer(request: WriterRequest, answer: Answer) -> Result:
    """Return the result of a request, whose outcome it sets."""
    if isinstance(request, DeferredAppend) and answer.outcome is not None:
        request.outcome = pickle.loads(answer.outcome)  # noqa: S301 (our own process)
    return answer.acknowledgements if answer.error is None else answer.error


def _pickle_error(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, Exception):
        return msgspec.msgpack.Ext(1, pickle.dumps(value))
    raise TypeError(type(value).__name__)


def _unpickle_error(_code: int, data: memoryview) -> Any:
    return pickle.loads(data)  # noqa: S301 (our own process)


_encode = msgspec.msgpack.Encoder(enc_hook=_pickle_error).encode
_decode_requests = msgspec.msgpack.Decoder(_ReadRequests, ext_hook=_unpickle_error).decode
decode_commit = msgspec.msgpack.Decoder(Commit, ext_hook=_unpickle_error).decode
decode_greeting = msgspec.msgpack.Decoder(int).decode
