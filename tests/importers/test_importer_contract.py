"""The promises of the importer seam, which every registered importer keeps."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ingest.client import Client
from ingest.events.draft import Draft, validate_draft
from ingest.importers import IMPORTERS
from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent, Importer, ImportOptions, Item
from ingest.importers.preview import preview
from ingest.importers.runner import run_import
from tests.api_server import Installation
from tests.importers.samples import SAMPLES
from tests.installations import installed


@pytest.fixture(params=IMPORTERS, ids=lambda importer: importer.name)
def importer(request: pytest.FixtureRequest) -> Importer:
    found: Importer = request.param
    return found


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One API for all formats: their conversations have ids of their own."""
    with installed(tmp_path_factory.mktemp("import")) as running:
        yield running


def write_sample(importer: Importer, folder: Path, start: int = 1) -> Path:
    """Two good records with a damaged one between them."""
    sample = SAMPLES[importer.name]
    return sample.write(folder, [sample.good(start), sample.bad, sample.good(start + 1)])


def read(importer: Importer, path: Path) -> list[Item]:
    return list(importer.read(path, NO_OPTIONS))


def events(importer: Importer, path: Path) -> list[dict[str, Any]]:
    return [item.event for item in read(importer, path) if isinstance(item, ImportedEvent)]


def test_every_registered_importer_has_a_sample_and_a_name_of_its_own() -> None:
    names = [importer.name for importer in IMPORTERS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(SAMPLES)


def test_two_reads_give_the_same_events_with_distinct_ids(
    importer: Importer, tmp_path: Path
) -> None:
    path = write_sample(importer, tmp_path)
    first = events(importer, path)
    assert first == events(importer, path)
    assert len({event["event_id"] for event in first}) == len(first) > 0


def test_the_log_accepts_every_imported_event(importer: Importer, tmp_path: Path) -> None:
    for event in events(importer, write_sample(importer, tmp_path)):
        validate_draft(msgspec.convert(event, Draft), None)


def test_damage_has_a_place_and_does_not_stop_the_rest(importer: Importer, tmp_path: Path) -> None:
    items = read(importer, write_sample(importer, tmp_path))
    damage = [item for item in items if isinstance(item, Damage)]
    place = SAMPLES[importer.name].place
    assert [item.place for item in damage] == [place.format(2)]
    assert damage[0].reason
    places = [item.place for item in items if isinstance(item, ImportedEvent)]
    assert {places[0], places[-1]} == {place.format(1), place.format(3)}


def test_a_file_is_read_lazily(importer: Importer, tmp_path: Path) -> None:
    sample = SAMPLES[importer.name]
    if not sample.is_streamed:
        pytest.skip("this format is sorted by time, so a file is read as a whole")
    path = sample.write(tmp_path, [sample.good(number) for number in range(20_000)])
    reading = importer.read(path, NO_OPTIONS)
    assert len(list(islice(reading, 3))) == 3
    assert reading.__class__.__name__ == "generator"


def test_an_import_reconciles_and_a_repeat_makes_only_duplicates(
    importer: Importer, tmp_path: Path, shared_api: Installation
) -> None:
    path = write_sample(importer, tmp_path)
    with Client(shared_api.url, shared_api.key) as client:
        first = run_import(importer, path, client)
        again = run_import(importer, path, client)
    assert first.read == first.accepted == len(events(importer, path))
    assert (again.read, again.duplicate) == (first.read, first.read)
    for report in (first, again):
        assert report.is_reconciled
        assert not report.is_complete  # the damage is reported
        assert [each.place for each in report.damage] == [SAMPLES[importer.name].place.format(2)]


class Changed:
    """An importer whose last event has another body than before, under the same id."""

    name, description, file_help = "changed", "", ""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer

    def read(self, path: Path, options: ImportOptions) -> Iterator[Item]:
        found = list(self._importer.read(path, options))
        last = [item for item in found if isinstance(item, ImportedEvent)][-1]
        for item in found:
            yield replace(last, event=last.event | {"is_test": True}) if item is last else item


def test_rejected_events_are_listed_with_their_place(
    importer: Importer, tmp_path: Path, shared_api: Installation
) -> None:
    path = write_sample(importer, tmp_path)
    with Client(shared_api.url, shared_api.key) as client:
        run_import(importer, path, client)
        report = run_import(Changed(importer), path, client)
    last = [item.place for item in read(importer, path) if isinstance(item, ImportedEvent)][-1]
    assert [(each.place, each.code) for each in report.rejected] == [(last, "event_conflict")]
    assert report.is_reconciled


def test_a_preview_counts_what_an_import_would_bring(importer: Importer, tmp_path: Path) -> None:
    path = write_sample(importer, tmp_path)
    found, made = preview(importer, path), events(importer, path)
    assert found.report.read == len(made)
    assert found.messages == sum(event["event_type"] == "message.created" for event in made)
    assert found.conversations == {event["conversation_id"] for event in made}
    assert len(found.report.damage) == 1
