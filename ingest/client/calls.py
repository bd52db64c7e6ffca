"""Calls of the conversation API: the request and the response type of every operation.

Pure: no sockets and no waiting, so that both clients share it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from ingest.client.answers import (
    Acknowledgement,
    BatchResult,
    Conversation,
    IngestStats,
    Message,
    Page,
    Participant,
    Readiness,
    RejectedEvent,
    TypingList,
)
from ingest.client.audit_calls import AuditCalls
from ingest.client.bot_calls import BotCalls
from ingest.client.call import Call, conversation_path, encode_fields, page_call
from ingest.client.channel_calls import ChannelAccountCalls
from ingest.client.contact_calls import ContactCalls
from ingest.client.review_calls import ReviewCalls
from ingest.contract import Visibility

BATCH_EVENTS = 10_000
BATCH_BYTES = 8 * 1024 * 1024
"""Maximum size of one request to the API; larger batches are split."""

READY = Call("GET", "/readyz", Readiness)


class Calls(ReviewCalls, AuditCalls, ChannelAccountCalls, ContactCalls, BotCalls):
    """Every operation, with its contract: the methods of both clients.

    Those of reviews, the audit, channel accounts, contacts and bots are inherited.
    """

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
    ) -> Call[Acknowledgement]:
        """Create a conversation; its id is in the acknowledgement. Safe to repeat with both ids.

        Raises ProblemError `conversation_exists` if another event created one with this id.
        """
        body = encode_fields(
            channel=channel,
            participants=participants or None,
            conversation_id=self._id(conversation_id),
            event_id=self._id(event_id),
            channel_account=channel_account,
            contact_id=contact_id,
            is_test=is_test or None,
            occurred_at=occurred_at,
            payload=payload,
        )
        return Call("POST", "/v1/conversations", Acknowledgement, body)

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
    ) -> Call[Acknowledgement]:
        """Post a message of a participant. Safe to repeat with `event_id`.

        A bot gives the `control_epoch` that it saw (`conversation().control.epoch`). Raises ProblemError
        `unknown_conversation`, `stale_epoch` if control has changed, or `event_rejected` with the `field`
        at fault.
        """
        body = encode_fields(
            participant_id=participant_id,
            text=text,
            event_id=self._id(event_id),
            message_id=message_id,
            in_reply_to=in_reply_to,
            bot_version=bot_version,
            control_epoch=control_epoch,
            visibility=visibility,
            occurred_at=occurred_at,
            payload=payload,
        )
        return Call("POST", messages_path(conversation_id), Acknowledgement, body)

    def record(
        self, events: Iterable[Mapping[str, Any] | bytes], batch: int = 1000
    ) -> Iterator[Call[BatchResult]]:
        """Record facts; return the result of each batch once it is on disk.

        An event may be encoded already: JSON without a line break, with an `event_id`.
        Lazy: an event is taken from `events` and sent when its result is requested. A rejected event is
        in the result and does not raise. Safe to repeat if the events have an `event_id`; others get one.
        Raises UnexpectedAnswerError if the response does not cover every event of a batch.
        """
        lines = (
            each if isinstance(each, bytes) else encode_fields(**self._named(each))
            for each in events
        )
        for part in _parts(lines, min(batch, BATCH_EVENTS), BATCH_BYTES):
            yield _batch_call(part)

    def conversations(self, channel: str | None = None) -> Call[Page[Conversation]]:
        """Return every conversation, newest first; pages are fetched as they are needed."""
        return page_call("/v1/conversations", Page[Conversation], channel=channel)

    def conversation(self, conversation_id: str) -> Call[Conversation]:
        """Return a conversation in its current state. Raises ProblemError `unknown_conversation`."""
        return Call("GET", conversation_path(conversation_id), Conversation)

    def messages(self, conversation_id: str, *, newest_first: bool = False) -> Call[Page[Message]]:
        """Return every message of a conversation, in order; pages are fetched as they are needed.

        Raises ProblemError `unknown_conversation` when the first message is read.
        """
        order = "desc" if newest_first else None
        return page_call(messages_path(conversation_id), Page[Message], order=order)

    def handoffs(self, agent: str | None = None) -> Call[Page[Conversation]]:
        """Return the conversations whose handoff waits for an agent, the oldest request first.

        With `agent`, those that this agent controls. Pages are fetched as they are needed.
        """
        return page_call("/v1/handoffs", Page[Conversation], participant_id=agent)

    def accept_handoff(
        self, conversation_id: str, handoff_id: str, agent: str, *, event_id: str | None = None
    ) -> Call[Acknowledgement]:
        """Accept a handoff: control passes to this agent. Safe to repeat with `event_id`.

        Raises ProblemError `handoff_state` if it does not wait for this agent any more, for example because
        another one accepted it.
        """
        return self._handoff_step("accept", conversation_id, handoff_id, agent, None, event_id)

    def return_handoff(
        self,
        conversation_id: str,
        handoff_id: str,
        agent: str,
        *,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Give control back to the bot. Safe to repeat with `event_id`.

        Raises ProblemError `handoff_state` if this handoff is not open any more.
        """
        return self._handoff_step("return", conversation_id, handoff_id, agent, reason, event_id)

    def close_handoff(
        self,
        conversation_id: str,
        handoff_id: str,
        agent: str,
        *,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """End a handoff. Safe to repeat with `event_id`.

        Raises ProblemError `handoff_state` if this handoff is not open any more.
        """
        return self._handoff_step("close", conversation_id, handoff_id, agent, reason, event_id)

    def resolve(
        self,
        conversation_id: str,
        participant_id: str,
        resolved_by: Literal["bot", "agent", "customer"],
        *,
        is_confirmed: bool = False,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Mark the demand as met. Safe to repeat with `event_id`.

        Raises ProblemError `conversation_closed` if the conversation is closed.
        """
        body = encode_fields(
            participant_id=participant_id,
            resolved_by=resolved_by,
            is_confirmed=is_confirmed or None,
            reason=reason,
            event_id=self._id(event_id),
        )
        return Call("POST", f"{conversation_path(conversation_id)}/resolve", Acknowledgement, body)

    def typing(self, conversation_id: str) -> Call[TypingList]:
        """Return who is typing now. Raises ProblemError `unknown_conversation`."""
        return Call("GET", f"{conversation_path(conversation_id)}/typing", TypingList)

    def start_typing(
        self, conversation_id: str, participant_id: str, seconds: int = 5
    ) -> Call[TypingList]:
        """Show that a participant types, for at most 30 seconds; repeat it before that. Return who types now.

        Raises ProblemError `unknown_conversation` or `unknown_participant`.
        """
        path = f"{conversation_path(conversation_id)}/typing/{quote(participant_id, safe='')}"
        return Call("PUT", path, TypingList, encode_fields(seconds=seconds))

    def ingest_stats(self) -> Call[IngestStats]:
        """Return the counters of this key's source; of all sources with a local key."""
        return Call("GET", "/v1/ingest-stats", IngestStats)

    def readiness(self) -> Call[Readiness]:
        """Return whether stored states were damaged. Raises a ClientError if the log accepts no events."""
        return READY

    def rejected(self, code: str | None = None) -> Call[Page[RejectedEvent]]:
        """List rejected events, newest first; pages are fetched as they are needed."""
        return page_call("/v1/rejected", Page[RejectedEvent], code=code)

    def replay(self, rejected_id: int) -> Call[Acknowledgement]:
        """Replay a rejected event. Raises ProblemError with the reason if it is rejected again."""
        return Call("POST", f"/v1/rejected/{rejected_id}/replay", Acknowledgement)

    def _named(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an event with an id."""
        if event.get("event_id") is not None:
            return event
        return {**event, "event_id": self._new_id()}

    def _handoff_step(
        self,
        step: str,
        conversation_id: str,
        handoff_id: str,
        agent: str,
        reason: str | None,
        event_id: str | None,
    ) -> Call[Acknowledgement]:
        body = encode_fields(participant_id=agent, reason=reason, event_id=self._id(event_id))
        path = f"{conversation_path(conversation_id)}/handoffs/{quote(handoff_id, safe='')}/{step}"
        return Call("POST", path, Acknowledgement, body)


def messages_path(conversation_id: str) -> str:
    """Return the path at which messages of a conversation are posted and listed."""
    return f"{conversation_path(conversation_id)}/messages"


def _batch_call(lines: Sequence[bytes]) -> Call[BatchResult]:
    return Call(
        "POST",
        "/v1/events",
        BatchResult,
        b"\n".join(lines),
        "application/x-ndjson",
        is_whole=lambda result: len(result.results) == len(lines),
    )


def _parts(lines: Iterable[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and (len(part) >= most or size + len(line) + 1 > most_bytes):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part
