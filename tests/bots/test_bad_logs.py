"""Damaged logs: the reason has its line, whatever is whole comes in, and nothing is counted twice or lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.client import Client
from ingest.importers import IMPORTERS
from ingest.importers.runner import ImportReport, run_import
from tests.api_server import Installation

Bring = Callable[..., ImportReport]


@pytest.fixture
def bring(running: Installation, tmp_path: Path) -> Bring:
    def import_file(name: str, raw: bytes) -> ImportReport:
        path = tmp_path / "log.json"
        path.write_bytes(raw)
        importer = next(each for each in IMPORTERS if each.name == name)
        with Client(running.url, running.key) as client:
            return run_import(importer, path, client)

    return import_file


def texts(running: Installation, conversation: str) -> list[str]:
    answer = running.http.get(f"/v1/conversations/{conversation}/messages?limit=100")
    return [each["text"] for each in answer.json()["items"]]


def event(sender: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "sender_id": sender, "event": "user", "timestamp": 1_700_000_000 + number, "text": f"m{number}",
        "message_id": f"{sender}-{number}",
    } | more  # fmt: skip


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def tracker(sender: str, *numbers: int) -> dict[str, Any]:
    return {"sender_id": sender, "events": [event(sender, number) for number in numbers]}


def test_a_dump_that_was_cut_off_before_another_costs_only_itself(
    bring: Bring, running: Installation
) -> None:
    whole = json.dumps(tracker("after-cut", 1, 2), indent=2).encode()
    cut = json.dumps(tracker("cut", 1, 2), indent=2).encode()[:200]
    report = bring("rasa", cut + whole)
    assert len(report.damage) == 1
    assert report.damage[0].place.startswith("line ")
    assert texts(running, "rasa-after-cut") == ["m1", "m2"]
    assert report.is_reconciled
    assert not report.is_complete


def test_two_dumps_in_a_row_come_in_both(bring: Bring, running: Installation) -> None:
    for between in (b"", b"\n", b"\n\n"):
        name = f"glued-{len(between)}"
        found = [json.dumps(tracker(f"{name}-{each}", 1), indent=2).encode() for each in "ab"]
        assert bring("rasa", between.join(found)).is_complete
        assert texts(running, f"rasa-{name}-a") == texts(running, f"rasa-{name}-b") == ["m1"]


def test_lines_of_other_encodings_are_named_and_cost_no_other(
    bring: Bring, running: Installation
) -> None:
    latin = json.dumps(event("mixed", 2, text="ü"), ensure_ascii=False).encode("latin-1") + b"\n"
    report = bring("rasa", lines(event("mixed", 1)) + latin + lines(event("mixed", 3)))
    assert [each.place for each in report.damage] == ["line 2"]
    assert "UTF-8" in report.damage[0].reason
    assert texts(running, "rasa-mixed") == ["m1", "m3"]


@pytest.mark.parametrize("seconds", [-62_135_596_800, 253_402_300_799, 1e300, -1e300])
def test_a_time_that_cannot_be_is_named_with_its_line(
    bring: Bring, running: Installation, seconds: float
) -> None:
    sender = f"year{seconds}"
    bad = event(sender, 2, timestamp=seconds)
    report = bring("rasa", lines(event(sender, 1), bad, event(sender, 3)))
    assert [each.place for each in report.damage] == ["line 2, event"]
    assert texts(running, f"rasa-{sender}".replace("+", "%2B")) == ["m1", "m3"]


def test_a_line_of_one_mebibyte_is_rejected_by_size_with_its_line_and_costs_no_other(
    bring: Bring, running: Installation
) -> None:
    long = event("long", 2, text="x" * 1024 * 1024)
    report = bring("rasa", lines(event("long", 1), long, event("long", 3)))
    assert [(each.place, each.code) for each in report.rejected] == [("line 2", "too_large")]
    assert texts(running, "rasa-long") == ["m1", "m3"]
    assert report.is_reconciled


def test_an_id_with_another_body_is_a_conflict_with_its_line(
    bring: Bring, running: Installation
) -> None:
    changed = event("twice", 1, text="changed")
    report = bring("rasa", lines(event("twice", 1), changed, event("twice", 1), event("twice", 2)))
    assert [(each.place, each.code) for each in report.rejected] == [("line 2", "event_conflict")]
    assert report.duplicate == 1
    assert texts(running, "rasa-twice") == ["m1", "m2"]


def test_a_later_file_of_the_same_conversation_adds_what_is_new(
    bring: Bring, running: Installation
) -> None:
    assert bring("rasa", lines(event("two", 1), event("two", 2))).is_complete
    later = bring("rasa", lines(event("two", 2), event("two", 3)))
    assert later.is_complete, later.rejected
    assert texts(running, "rasa-two") == ["m1", "m2", "m3"]


def test_history_that_another_file_has_at_another_time_is_a_duplicate(
    bring: Bring, running: Installation
) -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    more = [*said, {"role": "user", "content": "Bye"}]
    for created, messages in ((1_700_000_000, said), (1_700_000_100, more)):
        record = {"conversation_id": "chat-two", "created": created, "messages": messages}
        report = bring("openai-chat", lines(record))
        assert report.is_complete, report.rejected
    assert texts(running, "chat-two") == ["Hi", "Hello", "Bye"]


def test_a_text_with_a_zero_character_is_rejected_with_its_line(
    bring: Bring, running: Installation
) -> None:
    report = bring("rasa", lines(event("zero", 1), event("zero", 2, text="a\0b")))
    assert [(each.place, each.code) for each in report.rejected] == [("line 2", "event_rejected")]
    assert texts(running, "rasa-zero") == ["m1"]


def test_numbers_beyond_64_bits_cost_no_other_event(bring: Bring, running: Installation) -> None:
    slot = {"sender_id": "big", "event": "slot", "timestamp": 1_700_000_002, "name": "n", "value": 10**30}  # fmt: skip
    report = bring("rasa", lines(event("big", 1), slot, event("big", 3)))
    assert texts(running, "rasa-big") == ["m1", "m3"]
    assert report.is_reconciled
