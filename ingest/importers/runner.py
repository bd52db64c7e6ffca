"""Runs any importer: sends its events in batches, counts the results, reconciles at the end."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from ingest.client import BatchResult, Client
from ingest.client.call import encode_fields
from ingest.errors import EventConflictError
from ingest.events.conversation_errors import ConversationExistsError
from ingest.importers.base import (
    NO_OPTIONS,
    Ambiguity,
    Damage,
    ImportedEvent,
    Importer,
    ImportOptions,
    Skipped,
)

EXISTS = frozenset({EventConflictError.code, ConversationExistsError.code})
"""Errors of an event that is stored already, perhaps with another time."""

BATCH = 2_500
"""Events of one request. A larger commit writes fewer pages twice, but other clients wait longer for theirs."""

T = TypeVar("T")


@dataclass(frozen=True)
class RejectedPlace:
    """An event that the log rejected, and the place in the file that it comes from."""

    place: str
    code: str
    detail: str


@dataclass
class ImportReport:
    """The results of an import."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    parked: int = 0
    rejected: list[RejectedPlace] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    ambiguities: list[Ambiguity] = field(default_factory=list)

    @property
    def is_reconciled(self) -> bool:
        """Return whether every event that was read has a result."""
        results = self.accepted + self.duplicate + self.parked + len(self.rejected)
        return self.read == results

    @property
    def is_complete(self) -> bool:
        """Return whether the whole file is on the record."""
        return self.is_reconciled and not self.rejected and not self.damage

    def count(self, batch: BatchResult, sent: deque[ImportedEvent]) -> None:
        """Count the results of a batch, whose events are the first in `sent`."""
        self.accepted += batch.accepted
        self.duplicate += batch.duplicate
        self.parked += batch.parked
        for result in batch.results:
            item = sent.popleft()
            if (error := result.error) is None:
                continue
            if item.may_exist and error.code in EXISTS:
                self.duplicate += 1
            else:
                self.rejected.append(RejectedPlace(item.place, error.code, error.detail))

    def events(
        self, importer: Importer, path: Path, options: ImportOptions
    ) -> Iterator[ImportedEvent]:
        """Yield the events of a file, and count everything that is read."""
        for item in importer.read(path, options):
            match item:
                case ImportedEvent():
                    self.read += 1
                    yield item
                case Damage():
                    self.damage.append(item)
                case Skipped(_, reason):
                    self.skipped[reason] += 1
                case Ambiguity():
                    self.ambiguities.append(item)


def run_import(
    importer: Importer,
    path: Path,
    client: Client,
    on_progress: Callable[[int], object] = lambda _: None,
    options: ImportOptions = NO_OPTIONS,
) -> ImportReport:
    """Send every event of a file to the log. Safe to repeat, and to interrupt anywhere.

    `on_progress` receives the number of events of each batch. Raises OSError, ClientError.
    """
    report = ImportReport()
    for sent, lines in read_ahead(_requests(report.events(importer, path, options))):
        for batch in client.record(lines, BATCH):
            report.count(batch, sent)
            on_progress(len(batch.results))
    return report


def _requests(
    events: Iterator[ImportedEvent],
) -> Iterator[tuple[deque[ImportedEvent], list[bytes]]]:
    """Yield the events of each request, and each of them as the API takes it."""
    while part := deque(islice(events, BATCH)):
        yield part, [encode_fields(**item.event) for item in part]


def read_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the items in order; a thread reads the next one meanwhile. Raises what they raise."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, items, None)
        while (item := following.result()) is not None:
            following = reader.submit(next, items, None)
            yield item
