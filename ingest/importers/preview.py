"""Says what an import would bring, without sending anything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ingest.importers.base import NO_OPTIONS, Importer, ImportOptions
from ingest.importers.runner import ImportReport

STEP = 1000
"""Events between two reports of progress."""


@dataclass
class Preview:
    """What a file holds. `report` has its damage and its ambiguities; nothing in it was sent."""

    report: ImportReport = field(default_factory=ImportReport)
    messages: int = 0
    conversations: set[str] = field(default_factory=set)
    participants: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None

    def count(self, event: dict[str, object]) -> None:
        """Count one event."""
        self.messages += event["event_type"] == "message.created"
        for name, found in (
            ("conversation_id", self.conversations),
            ("participant_id", self.participants),
        ):
            if name in event:
                found.add(str(event[name]))
        if (at := event.get("happened_at") or event.get("occurred_at")) is not None:
            moment = datetime.fromisoformat(str(at))
            self.first = moment if self.first is None else min(self.first, moment)
            self.last = moment if self.last is None else max(self.last, moment)


def preview(
    importer: Importer,
    path: Path,
    options: ImportOptions = NO_OPTIONS,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Preview:
    """Read a whole file and return what it holds. Raises OSError."""
    found = Preview()
    for number, item in enumerate(found.report.events(importer, path, options), 1):
        found.count(item.event)
        if number % STEP == 0:
            on_progress(STEP)
    return found
