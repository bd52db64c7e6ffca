"""Intake of bot frameworks: records in, events for the log out, in the order of the records.

The conversation of a record is created with its first event, unless it exists.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Engine

from ingest.api import request_body
from ingest.api.dependencies import AppContext
from ingest.api.intake import parse, parse_event
from ingest.auth.permissions import Caller
from ingest.bots.base import BotLogger, Surroundings, Unreadable, Unused
from ingest.bots.bot_event import (
    BotEvent,
    Conversation,
    UnreadableRecordError,
    creation_of,
    fingerprint_of,
    render,
)
from ingest.bots.chat_history import KNOWN_MESSAGES, KnownMessage
from ingest.errors import EventRejectedError, InvalidRequestError
from ingest.log.queries import SequenceRange, list_messages
from ingest.log.writer_requests import IncomingEvent

_ROLES = {"customer": "user", "bot": "assistant", "agent": "assistant"}


@dataclass
class TranslatedRecords:
    """The events of records, the number of the record of each, and how many parts were no event."""

    arrivals: list[IncomingEvent] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    unused: int = 0

    def add(self, record: int, arrival: IncomingEvent) -> None:
        """Add an event of a record."""
        self.arrivals.append(arrival)
        self.records.append(record)


def translate(
    api: AppContext, caller: Caller, logger: BotLogger, records: Sequence[bytes]
) -> TranslatedRecords:
    """Return the events of a request's records. Reads the store, so it runs in a thread."""
    return _Translation(api, caller, logger).run(records)


def split_records(body: bytes, content_type: str) -> list[bytes]:
    """Return the records of a body: one object, an array, or NDJSON. Raises InvalidRequestError or a subclass."""
    if content_type in request_body.JSON_TYPES and body.lstrip()[:1] == b"{":
        return [body]
    return [bytes(each) for each in request_body.split_batch(body, content_type)]


class _Translation:
    """Translates the records of one request."""

    def __init__(self, api: AppContext, caller: Caller, logger: BotLogger) -> None:
        self._api = api
        self._caller = caller
        self._keeps_times = caller.gives_times
        self._read = logger.open(Surroundings(known=self._known))
        self._created: set[str] = set()
        self._found = TranslatedRecords()

    def run(self, records: Sequence[bytes]) -> TranslatedRecords:
        for number, raw in enumerate(records):
            try:
                record = request_body.decode(raw, _ANY)
                self._translate(number, raw, record)
            except InvalidRequestError as error:
                self._found.add(number, IncomingEvent(raw, error=error))
            except (UnreadableRecordError, msgspec.DecodeError, RecursionError) as error:
                self._reject(number, raw, str(error))
        return self._found

    def _translate(self, number: int, raw: bytes, record: Any) -> None:
        for part in self._read(record):
            match part:
                case BotEvent():
                    for event in self._with_creation(part):
                        self._found.add(number, self._arrival(event))
                case Unreadable(name, reason):
                    self._reject(number, raw, f"{name}: {reason}")
                case Unused():
                    self._found.unused += 1

    def _reject(self, number: int, raw: bytes, reason: str) -> None:
        error = EventRejectedError(reason, f"$[{number}]")
        self._found.add(number, IncomingEvent(raw, error=error))

    def _with_creation(self, event: BotEvent) -> Iterator[BotEvent]:
        conversation = event.conversation
        if conversation.conversation_id not in self._created:
            self._created.add(conversation.conversation_id)
            if self._api.conversation_channels.get(conversation.conversation_id) is None:
                yield creation_of(conversation, event.at)
        yield event

    def _arrival(self, event: BotEvent) -> IncomingEvent:
        rendered = render(event)
        if not self._keeps_times:
            rendered.pop("happened_at", None)
        try:
            raw = msgspec.json.encode(rendered)
        except (UnicodeEncodeError, OverflowError):
            raw = b""
        arrival = parse(raw, parse_event, None, self._caller)
        if not event.has_own_time and arrival.draft is not None:
            arrival.fingerprint = fingerprint_of(rendered)
        return arrival

    def _known(self, conversation: Conversation) -> list[KnownMessage]:
        return _stored_messages(self._api.engine, conversation.conversation_id)


_ANY = msgspec.json.Decoder(Any)


def _stored_messages(engine: Engine, conversation_id: str) -> list[KnownMessage]:
    """Return the newest messages of a conversation that customers see, oldest first."""
    newest = SequenceRange(is_newest_first=True)
    rows = list_messages(engine, conversation_id, KNOWN_MESSAGES, newest)
    return [
        KnownMessage(row["message_id"], _ROLES[row["participant_role"]], row["text"] or "")
        for row in reversed(rows)
        if row["visibility"] == "public" and row["participant_role"] in _ROLES
    ]
