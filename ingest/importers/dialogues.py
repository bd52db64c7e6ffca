"""What research corpora of dialogues share: turns in order, often without any time.

Without times an event gets the time of the import. With `--starts-at`, every dialogue starts there, and its
turns are a second apart.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from ingest.events import foreign_times as times
from ingest.importers.base import Ambiguity, Damage, ImportOptions, Item
from ingest.importers.json_files import array_items
from ingest.importers.transcript import Person, Roles, Transcript

CUSTOMER = Person("customer", None, "customer")
AGENT = Person("agent", None, "agent")
BOT = Person("assistant", None, "bot")

NO_TIMES = Ambiguity(
    "the file has no times", "every event gets the time of the import", "--starts-at"
)


class TurnTimes:
    """Times of the turns of a dialogue that has none."""

    def __init__(self, options: ImportOptions) -> None:
        self._next = options.starts_at

    def turn(self) -> datetime | None:
        """Return the time of the next turn."""
        found = self._next
        if found is not None:
            self._next = found + timedelta(seconds=1)
        return found


def read_dialogues(
    path: Path,
    options: ImportOptions,
    events: Callable[[Any, Roles, str], Iterator[Item]],
    *,
    has_times: bool = False,
) -> Iterator[Item]:
    """Yield the events of each item of a JSON array; one that `events` cannot read is damage.

    `events` raises msgspec.ValidationError or TimeFormatError.
    """
    if options.starts_at is None and not has_times:
        yield NO_TIMES
    roles = Roles(options)
    for place, item in array_items(path):
        if isinstance(item, Damage):
            yield item
            continue
        try:
            made = list(events(item, roles, place))
        except (msgspec.DecodeError, times.TimeFormatError) as error:
            yield Damage(place, f"not a dialogue: {error}")
            continue
        yield from made
    yield from roles.ambiguities()


def dialogue(source: str, key: str, roles: Roles, payload: Mapping[str, Any]) -> Transcript:
    """Return a new dialogue of the channel `web`."""
    return Transcript(source, key, "web", roles, payload=payload)
