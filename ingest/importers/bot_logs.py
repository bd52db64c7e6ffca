"""Files of bot frameworks. Their records are read by the loggers of `ingest.bots`, as the API reads them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from cachetools import LRUCache

from ingest.bots.base import BotLogger, Reader, Surroundings, Unreadable, Unused
from ingest.bots.bot_event import (
    BotEvent,
    Speaker,
    UnreadableRecordError,
    creation_of,
    render,
)
from ingest.contract import Role
from ingest.importers.base import (
    NO_OPTIONS,
    Ambiguity,
    Damage,
    ImportedEvent,
    ImportOptions,
    Item,
    Skipped,
)
from ingest.importers.dialogues import NO_TIMES, TurnTimes
from ingest.importers.json_records import records

KNOWN_CONVERSATIONS = 100_000
"""Conversations whose creation is remembered; that of others is sent again, which changes nothing."""

Records = Iterator[tuple[str, Any]]


class BotLogImporter:
    """Imports the files of one framework.

    `arrange` puts the records into another order than that of the file, if the framework writes them so.
    """

    def __init__(
        self, logger: BotLogger, file_help: str, arrange: Callable[[Records], Records] | None = None
    ) -> None:
        self.name = logger.name
        self.description = f"Import {logger.title}."
        self.file_help = file_help
        self._logger = logger
        self._arrange = arrange

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the events of each record."""
        found = records(path, options.encoding)
        reader = self._logger.open(Surroundings(conversation_id=options.conversation_id))
        events = _Events(options)
        for place, record in self._arrange(found) if self._arrange else found:
            if isinstance(record, Damage):
                yield record
            else:
                yield from _read(reader, record, place, events)
        yield from events.ambiguities()


def _read(reader: Reader, record: Any, place: str, events: "_Events") -> Iterator[Item]:
    try:
        for part in reader(record):
            match part:
                case BotEvent():
                    yield from events.of(part, place)
                case Unreadable(name, reason):
                    yield Damage(f"{place}, {name}", reason)
                case Unused(reason):
                    yield Skipped(place, reason)
    except (UnreadableRecordError, msgspec.DecodeError) as error:
        yield Damage(place, str(error))


class _Events:
    """Renders events, each conversation after its creation."""

    def __init__(self, options: ImportOptions) -> None:
        self._options = options
        self._created: LRUCache[str, bool] = LRUCache(KNOWN_CONVERSATIONS)
        self._is_timeless = False
        self._turns = TurnTimes(options)

    def of(self, event: BotEvent, place: str) -> Iterator[ImportedEvent]:
        """Yield an event; before the first of a conversation its creation."""
        conversation = event.conversation
        is_new = conversation.conversation_id not in self._created
        if is_new:
            self._created[conversation.conversation_id] = True
            self._turns = TurnTimes(self._options)
        if event.at is None:
            event = self._with_time(event)
        if is_new:
            creation = render(creation_of(conversation, event.at))
            yield ImportedEvent(creation, place, may_exist=True)
        role = None if event.speaker is None else self._role(event.speaker)
        may_exist = event.at is not None and not event.has_own_time
        yield ImportedEvent(render(event, role), place, may_exist)

    def _role(self, speaker: Speaker) -> Role | None:
        """Return the role that the user states for a speaker."""
        names = (name for name in (speaker.id, speaker.name) if name is not None)
        return next((role for name in names if (role := self._options.roles.get(name))), None)

    def _with_time(self, event: BotEvent) -> BotEvent:
        at = self._turns.turn()
        self._is_timeless |= at is None
        return msgspec.structs.replace(event, at=at)

    def ambiguities(self) -> Iterator[Ambiguity]:
        """Yield the question about times, if there were none."""
        if self._is_timeless:
            yield replace(NO_TIMES, question="the file does not say the times of some events")
