"""Every importer fulfils one contract. A new importer needs only a sample file here."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.client import Client
from ingest.events.draft import Draft, validate_draft
from ingest.importers import IMPORTERS
from ingest.importers.base import Damage, ImportedEvent, Importer
from ingest.importers.runner import run_import
from tests.api_server import Installation
from tests.factories import Record


def _dialogue(number: int) -> bytes:
    return json.dumps(
        {
            "DialogueID": number, "BatchID": "woz_1589458635", "CompletionLevel": "Complete",
            "AnonymizedUserWorkerID": "ada", "AnonymizedWizardWorkerID": "ben",
            "Events": [
                {"Agent": "User", "Action": "utter", "Text": "Hello", "UnixTime": 1589458636},
                {"Agent": "Wizard", "Action": "utter", "Text": "Hi", "UnixTime": 1589458640},
            ],
        }
    ).encode()  # fmt: skip


class LinesImporter:
    """The smallest importer: one conversation per line. It shows that a new format needs one module."""

    name = "lines"
    description = "Import one message a line."
    file_help = "text, .txt"

    def read(self, path: Path) -> Iterator[ImportedEvent | Damage]:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode().strip()
                except UnicodeDecodeError as error:
                    yield Damage(f"line {number}", str(error))
                    continue
                ids = {"event_id": f"lines-{number}", "conversation_id": f"lines-{number}"}
                yield ImportedEvent(
                    {**ids, "event_type": "conversation.created", "channel": "web",
                     "payload": {"subject": text}},
                    f"line {number}",
                )  # fmt: skip


SAMPLES: dict[str, tuple[str, Callable[[int], bytes], bytes]] = {
    "star": ("sample.jsonl", _dialogue, b"{}"),
    "lines": ("sample.txt", lambda number: f"hello {number}".encode(), b"\xff"),
}
"""File name, a good record, and a damaged one, for each importer."""

ALL: list[Importer] = [*IMPORTERS, LinesImporter()]


@pytest.fixture(params=ALL, ids=lambda importer: importer.name)
def importer(request: pytest.FixtureRequest) -> Importer:
    found: Importer = request.param
    return found


@pytest.fixture
def sample(importer: Importer, tmp_path: Path) -> Path:
    """Two good records with a damaged one between them."""
    name, good, bad = SAMPLES[importer.name]
    path = tmp_path / name
    path.write_bytes(good(1) + b"\n" + bad + b"\n" + good(2) + b"\n")
    return path


def events(importer: Importer, path: Path) -> list[dict[str, Any]]:
    return [item.event for item in importer.read(path) if isinstance(item, ImportedEvent)]


def test_every_registered_importer_has_a_sample() -> None:
    assert {importer.name for importer in IMPORTERS} <= set(SAMPLES)


def test_two_reads_give_the_same_events_with_distinct_ids(importer: Importer, sample: Path) -> None:
    first = events(importer, sample)
    assert first == events(importer, sample)
    assert len({event["event_id"] for event in first}) == len(first) > 0


def test_the_log_accepts_every_imported_event(importer: Importer, sample: Path) -> None:
    for event in events(importer, sample):
        validate_draft(msgspec.convert(event, Draft), None)


def test_damage_has_a_place_and_does_not_stop_the_rest(importer: Importer, sample: Path) -> None:
    items = list(importer.read(sample))
    damage = [item for item in items if isinstance(item, Damage)]
    assert [item.place for item in damage] == ["line 2"]
    assert damage[0].reason
    assert items[-1].place == "line 3"


def test_a_file_is_read_lazily(importer: Importer, tmp_path: Path) -> None:
    name, good, _ = SAMPLES[importer.name]
    path = tmp_path / name
    path.write_bytes(b"\n".join(good(number) for number in range(20_000)))
    reading = importer.read(path)
    assert len(list(islice(reading, 3))) == 3
    assert reading.__class__.__name__ == "generator"


def test_an_import_reconciles_and_a_repeat_makes_only_duplicates(
    importer: Importer, sample: Path, installation: Installation
) -> None:
    with Client(installation.url, installation.key) as client:
        first = run_import(importer, sample, client)
        again = run_import(importer, sample, client)
    assert first.read == first.accepted == len(events(importer, sample))
    assert (again.read, again.duplicate) == (first.read, first.read)
    for report in (first, again):
        assert report.is_reconciled
        assert not report.is_complete  # the damage is reported
        assert [each.place for each in report.damage] == ["line 2"]


def test_rejected_events_are_listed_with_their_place(
    importer: Importer, sample: Path, installation: Installation, record: Record
) -> None:
    for event in events(importer, sample)[:1]:
        changed = event | {"is_test": True}
        installation.post_events([changed])
    with Client(installation.url, installation.key) as client:
        report = run_import(importer, sample, client)
    assert [(each.place, each.code) for each in report.rejected] == [("line 1", "event_conflict")]
    assert report.is_reconciled
