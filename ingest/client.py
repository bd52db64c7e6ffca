"""The Python client of the conversation API.

Every write carries ids that are made before the first try, and a retry sends the same bytes
again. So a call that comes back says that its events are on disk, once; a call that raises may
be made again with the same ids and never leaves a second event.
"""

import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

import httpx2
import msgspec
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from ingest.calls import (
    READY,
    Accounting,
    Acknowledgement,
    BatchResult,
    Call,
    ClientError,
    Conversation,
    Message,
    Participant,
    Problem,
    ProblemError,
    RejectedEvent,
    Tally,
    UnexpectedAnswerError,
    UnreachableError,
    conversation_call,
    conversation_path,
    event_calls,
    message_call,
    messages_path,
    page_call,
    pause_before_retry,
    read_answer,
)
from ingest.contract import Visibility
from ingest.stamps import new_uuid7

__all__ = [
    "Accounting",
    "Acknowledgement",
    "BatchResult",
    "Client",
    "ClientError",
    "Conversation",
    "Message",
    "Participant",
    "Problem",
    "ProblemError",
    "RejectedEvent",
    "Tally",
    "UnexpectedAnswerError",
    "UnreachableError",
]

POLL_SECONDS = 0.1
JITTER = random.SystemRandom().random
"""Not `random.random`: a program that seeded that one counts on its numbers."""

T = TypeVar("T")


class Client:
    """Speaks to one conversation API with one key; every method may raise a ClientError.

    A call blocks until it is answered or given up. Close the client, or use it as a context manager.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        timeout: float = 30.0,
        retries: int = 6,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = JITTER,
        new_id: Callable[[], str] = new_uuid7,
    ) -> None:
        """`timeout` is in seconds and for one try; after `retries` more the failure is raised."""
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._retries = retries
        self._wait = wait
        self._clock = clock
        self._jitter = jitter
        self._new_id = new_id
        self.headers = {"authorization": f"Bearer {key}"}
        self._http = httpx2.Client(headers=self.headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections. Safe to repeat."""
        self._http.close()

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Come back when the API takes events.

        Raises the last ClientError after `timeout` seconds, or at once if waiting cannot help.
        """
        deadline = self._clock() + timeout
        while True:
            try:
                self._attempt(READY)
            except ClientError as failure:
                if not failure.is_retryable or self._clock() >= deadline:
                    raise
            else:
                return
            self._wait(POLL_SECONDS)

    def create_conversation(
        self,
        channel: str,
        *,
        participants: Sequence[Participant] = (),
        conversation_id: str | None = None,
        event_id: str | None = None,
        channel_account: str | None = None,
        contact_id: str | None = None,
        is_test: bool = False,
        occurred_at: datetime | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Acknowledgement:
        """Open a conversation; its id is in the acknowledgement. Safe to repeat with both ids.

        Raises ProblemError `conversation_exists` if another event opened one with this id.
        """
        given = {
            "channel": channel,
            "participants": participants or None,
            "conversation_id": conversation_id,
            "event_id": event_id,
            "channel_account": channel_account,
            "contact_id": contact_id,
            "is_test": is_test or None,
            "occurred_at": occurred_at,
            "payload": payload,
        }
        return self._send(conversation_call(given, self._new_id))

    def post_message(
        self,
        conversation_id: str,
        participant_id: str,
        text: str | None = None,
        *,
        event_id: str | None = None,
        message_id: str | None = None,
        in_reply_to: str | None = None,
        bot_version: str | None = None,
        control_epoch: int | None = None,
        visibility: Visibility | None = None,
        occurred_at: datetime | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Acknowledgement:
        """Post a message of somebody who is in the conversation. Safe to repeat with `event_id`.

        A bot gives the `control_epoch` that it saw (`conversation().control.epoch`).
        Raises ProblemError `unknown_conversation`, `stale_epoch` if control has passed on since,
        or `event_rejected` with the `field` at fault.
        """
        given = {
            "participant_id": participant_id,
            "text": text,
            "event_id": event_id,
            "message_id": message_id,
            "in_reply_to": in_reply_to,
            "bot_version": bot_version,
            "control_epoch": control_epoch,
            "visibility": visibility,
            "occurred_at": occurred_at,
            "payload": payload,
        }
        return self._send(message_call(conversation_id, given, self._new_id))

    def record(
        self, events: Iterable[Mapping[str, Any]], batch: int = 1000
    ) -> Iterator[BatchResult]:
        """Put facts on the record; gives what became of each batch once it is on disk.

        Lazy: an event is taken from `events` and sent only as the results are asked for.
        An event that the API refuses is told of in the result and does not raise.
        Safe to repeat if the events have an `event_id`; those without are given one.
        Raises UnexpectedAnswerError if not every event of a batch was answered for.
        """
        for call, sent in event_calls(events, batch, self._new_id):
            result = self._send(call)
            if len(result.results) != sent:
                raise UnexpectedAnswerError(self.url + call.path, 200)
            yield result

    def conversations(self, channel: str | None = None) -> Iterator[Conversation]:
        """Every conversation, the newest first; pages are fetched as they are asked for."""
        return self._items(
            "/v1/conversations", Conversation, {"channel": channel} if channel else {}
        )

    def conversation(self, conversation_id: str) -> Conversation:
        """A conversation as it stands. Raises ProblemError `unknown_conversation`."""
        return self._send(Call("GET", conversation_path(conversation_id), Conversation))

    def messages(self, conversation_id: str) -> Iterator[Message]:
        """Every message of a conversation, in order; pages are fetched as they are asked for.

        Raises ProblemError `unknown_conversation` when the first one is asked for.
        """
        return self._items(messages_path(conversation_id), Message, {})

    def listen(
        self, conversation_id: str | None = None, after: int | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Every event of a conversation after a sequence, as it comes, for ever.

        Without a conversation: of all, after a position. `after=None` begins with what comes next.
        A lost connection is made anew where it broke off: no event is missed, none comes twice.
        Raises ProblemError if the key may not listen.
        """
        place = "after_position" if conversation_id is None else "after_sequence"
        path = "/v1" if conversation_id is None else conversation_path(conversation_id)
        seen = self._newest(conversation_id) if after is None else after
        attempt = 0
        while True:
            try:
                for told in self._heard(f"{path}/live?{place}={seen}"):
                    attempt = 0
                    event = told.get("event")
                    if event is not None:
                        seen = event[place.removeprefix("after_")]
                        yield event
                    seen = told.get(place, seen)
            except ClientError as failure:
                pause = pause_before_retry(failure, min(attempt, self._retries), self._jitter())
                if pause is None:
                    raise
                self._wait(pause)
                attempt += 1

    def _newest(self, conversation_id: str | None) -> int:
        if conversation_id is None:
            return self.accounting().stored
        return self.conversation(conversation_id).last_sequence

    def _heard(self, path: str) -> Iterator[dict[str, Any]]:
        """What one socket tells, until it is lost. Raises UnreachableError, ProblemError."""
        url = self.url.replace("http", "ws", 1) + path
        try:
            with (
                connect(
                    url,
                    additional_headers=self.headers,
                    compression=None,
                    open_timeout=self._timeout,  # when all come back at once, patience is less work than haste
                ) as socket
            ):
                for frame in socket:
                    yield msgspec.json.decode(frame)
        except InvalidStatus as refused:
            yield from read_answer(Call("GET", path, list[Any]), _answer(url, refused))
        except (OSError, EOFError, WebSocketException) as error:
            raise UnreachableError(self.url, error) from error
        raise UnreachableError(self.url, EOFError("the server closed the socket"))

    def accounting(self) -> Accounting:
        """What came from this key's source and what became of it; from all, with a local key."""
        return self._send(Call("GET", "/v1/accounting", Accounting))

    def rejected(self, code: str | None = None) -> Iterator[RejectedEvent]:
        """What was refused, the newest first; pages are fetched as they are asked for."""
        return self._items("/v1/rejected", RejectedEvent, {"code": code} if code else {})

    def replay(self, rejected_id: int) -> Acknowledgement:
        """Try a refused event again. Raises ProblemError with the reason if it is refused again."""
        return self._send(Call("POST", f"/v1/rejected/{rejected_id}/replay", Acknowledgement))

    def _items(self, path: str, kind: type[T], params: Mapping[str, str]) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = self._send(page_call(path, kind, cursor, params))
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            try:
                return self._attempt(call)
            except ClientError as failure:
                pause = pause_before_retry(failure, attempt, self._jitter())
                if pause is None or attempt >= self._retries:
                    raise
            self._wait(pause)
            attempt += 1

    def _attempt(self, call: Call[T]) -> T:
        try:
            response = self._http.request(
                call.method,
                self.url + call.path,
                content=call.content,
                params=call.params,
                headers={"content-type": call.content_type},
            )
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise UnreachableError(self.url, error) from error
        return read_answer(call, response)


def _answer(url: str, refused: InvalidStatus) -> httpx2.Response:
    """What was answered instead of opening a socket."""
    return httpx2.Response(
        refused.response.status_code,
        headers=list(refused.response.headers.raw_items()),
        content=bytes(refused.response.body or b""),
        request=httpx2.Request("GET", url),
    )
