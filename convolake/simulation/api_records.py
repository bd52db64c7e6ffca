"""What the API says of the conversations of one channel account, as the rows that the SQL of the warehouse gives."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import httpx2
from msgspec import Struct

from convolake.simulation.found import Record
from convolake.simulation.pages import read_pages
from convolake.simulation.plan import STATES
from ingest.client import Client
from ingest.client.answers import Conversation

EXPECTED_TYPES = {
    "conversation.created", "participant.joined", "control.changed",
    "session.started", "session.ended", "message.created",
}  # fmt: skip
RECEIPTS = {f"message.{state}": f"{state}_at" for state in STATES.values()}


class Told(Struct, frozen=True):
    """A conversation as the API tells it."""

    conversation: Conversation
    events: list[dict[str, Any]]
    messages: list[dict[str, Any]]

    @property
    def place(self) -> Record:
        """The column that every row of it has."""
        return {"conversation_id": self.conversation.conversation_id}

    def of_type(self, *event_types: str) -> Iterator[dict[str, Any]]:
        """Yield the events of these types, in order."""
        return (each for each in self.events if each["event_type"] in event_types)

    @property
    def sessions(self) -> list[str]:
        """The sessions, in order."""
        return [each["session_id"] for each in self.of_type("session.started")]


class ApiRecords:
    """Reads every conversation once. It has no turns: the warehouse alone knows them."""

    def __init__(
        self, client: Client, http: httpx2.Client, conversations: Iterable[Conversation]
    ) -> None:
        """`http` has the API's address and key. Raises ClientError, HTTPError."""
        self._client = client
        self._told = [_read(http, each) for each in conversations]
        self._rows = {
            "messages": _messages,
            "conversations": _conversations,
            "other_events": _other_events,
            "receipt_events": _receipt_events,
            "sessions": _sessions,
        }

    def read(self, name: str) -> Iterable[Record]:
        """Return the rows that the file of this name in the folder `sql` describes."""
        if name == "addresses":
            return list(self._addresses())
        rows = self._rows.get(name)
        return () if rows is None else [row for each in self._told for row in rows(each)]

    def _addresses(self) -> Iterator[Record]:
        contacts = {each.conversation.contact_id for each in self._told}
        for contact_id in contacts - {None}:
            for each in self._client.contact(str(contact_id)).addresses:
                payload = {"kind": each.kind, "address": each.address}
                yield {"contact_id": contact_id, "payload": json.dumps(payload)}


def _read(http: httpx2.Client, conversation: Conversation) -> Told:
    path = f"/v1/conversations/{conversation.conversation_id}"
    events, messages = (list(read_pages(http, f"{path}/{each}")) for each in ("events", "messages"))
    return Told(conversation, events, messages)


def _messages(told: Told) -> Iterator[Record]:
    shown = {each["message_id"]: each for each in told.messages}
    for created in told.of_type("message.created"):
        message = shown[created["message_id"]]
        receipts = {"status": None, "error_code": None}
        for each in message["receipts"]:
            receipts = {"status": each["status"], "error_code": each["error_code"]}
        session_id = message["session_id"]
        yield {
            **told.place,
            "message_id": message["message_id"],
            "provider_id": (message["payload"] or {}).get("provider_id"),
            "text": message["text"],
            "participant_role": message["participant_role"],
            "channel": message["channel"],
            "happened_at": datetime.fromisoformat(message["happened_at"]),
            "session_number": told.sessions.index(session_id) + 1 if session_id else None,
            "contact_id": created.get("contact_id"),
            **receipts,
            **_receipt_times(told, message["message_id"]),
        }


def _receipt_times(told: Told, message_id: str) -> Record:
    """Return when a message first got each state."""
    times: dict[str, datetime | None] = dict.fromkeys(RECEIPTS.values())
    for each in told.of_type(*RECEIPTS):
        if each["message_id"] == message_id:
            column = RECEIPTS[each["event_type"]]
            times[column] = times[column] or datetime.fromisoformat(each["happened_at"])
    return times


def _conversations(told: Told) -> Iterator[Record]:
    count = told.conversation.message_count
    yield {**told.place, "message_count": count, "session_count": len(told.sessions)}


def _other_events(told: Told) -> Iterator[Record]:
    for event_type in {each["event_type"] for each in told.events} - EXPECTED_TYPES - set(RECEIPTS):
        yield {**told.place, "event_type": event_type}


def _receipt_events(told: Told) -> Iterator[Record]:
    counts = Counter((each["message_id"], each["event_type"]) for each in told.of_type(*RECEIPTS))
    for (message_id, event_type), count in counts.items():
        yield {"message_id": message_id, "event_type": event_type, "event_count": count}


def _sessions(told: Told) -> Iterator[Record]:
    counts = Counter(each["session_id"] for each in told.of_type("message.created"))
    for number, started in enumerate(told.of_type("session.started"), 1):
        yield {
            **told.place,
            "session_number": number,
            "started_at": datetime.fromisoformat(started["happened_at"]),
            "ended_at": None,
            "end_reason": None,
            "message_count": counts[started["session_id"]],
        }
