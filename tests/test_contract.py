"""The record's format is frozen, and damage to the manifest is detected."""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid5

import pytest

from ingest import contract
from ingest.arrow_schema import SCHEMA
from ingest.contract import manifest_path
from ingest.events import types
from ingest.manifest import ManifestError, Segment, read_manifest


def make_segment(first: int, last: int) -> Segment:
    return Segment(
        path=contract.segment_path(date(2030, 1, 1), 0, first, last),
        shard=0,
        first_position=first,
        last_position=last,
        rows=last - first + 1,
        bytes=100,
        sha256="0" * 64,
        sealed_at="2030-01-01T00:00:00+00:00",
    )


def write_manifest(lake: Path, *segments: Segment) -> list[str]:
    lines: list[str] = []
    previous = ""
    for segment in segments:
        line, previous = segment.line(previous)
        lines.append(line)
    lake.mkdir(parents=True, exist_ok=True)
    manifest_path(lake).write_text("".join(lines))
    return lines


def test_the_format_is_frozen() -> None:
    """Another hash means another format: increase FORMAT_VERSION and upcast on read."""
    text = "\n".join(f"{field.name} {field.type}" for field in SCHEMA)
    assert contract.FORMAT_VERSION == 1
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "11186eaa2e32e52b"
    assert contract.segment_path(date(2030, 1, 2), 0, 1, 25) == (
        "events/received_on=2030-01-02/0-000000000001-000000000025.parquet"
    )
    assert str(contract.NAMESPACE) == "6f1f3e0a-2b7c-5d6e-9c55-0c0a1a6be001"


def test_every_event_type_is_a_noun_and_a_past_participle() -> None:
    for name, kind in types.EVENT_TYPES.items():
        noun, verb = name.split(".")
        assert kind.name == name
        assert noun.isidentifier()
        assert verb.endswith(("ed", "left", "read", "taken")), name


def test_custom_types_have_a_name_and_other_types_are_unknown() -> None:
    assert types.find_event_type("custom.order_shipped") is not None
    for name in ("custom.", "custom.Ü", "custom.a b", "message.sent", "", "custom.a\n"):
        assert types.find_event_type(name) is None


def test_an_instant_survives_the_store_to_the_microsecond() -> None:
    for moment in (datetime(2030, 1, 1, 1, 2, 3, 456789, UTC), datetime(1, 1, 1, tzinfo=UTC)):
        assert contract.from_micros(contract.to_micros(moment)) == moment


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    segments = [make_segment(1, 10), make_segment(11, 11)]
    write_manifest(tmp_path, *segments)
    assert read_manifest(tmp_path)[0] == segments
    assert read_manifest(tmp_path / "nowhere") == ([], "")


def test_a_torn_last_line_of_the_manifest_is_not_read(tmp_path: Path) -> None:
    lines = write_manifest(tmp_path, make_segment(1, 10), make_segment(11, 20))
    for cut in range(1, len(lines[1])):
        manifest_path(tmp_path).write_text(lines[0] + lines[1][:-cut])
        assert read_manifest(tmp_path)[0] == [make_segment(1, 10)]


def test_a_changed_manifest_is_rejected(tmp_path: Path) -> None:
    lines = write_manifest(
        tmp_path, make_segment(1, 10), make_segment(11, 20), make_segment(21, 30)
    )
    damaged = {
        "a line lost": lines[:1] + lines[2:],
        "the first line lost": lines[1:],
        "lines swapped": [lines[1], lines[0], lines[2]],
        "a figure changed": [lines[0], lines[1].replace('"rows":10', '"rows":11'), lines[2]],
        "not JSON": [lines[0], "{\n", lines[2]],
        "another JSON": [lines[0], json.dumps([1]) + "\n", lines[2]],
    }
    for what, changed in damaged.items():
        manifest_path(tmp_path).write_text("".join(changed))
        with pytest.raises(ManifestError, match="line"):
            assert not read_manifest(tmp_path), what


def test_every_flipped_bit_of_a_manifest_is_detected(tmp_path: Path) -> None:
    write_manifest(tmp_path, make_segment(1, 10), make_segment(11, 20))
    whole = manifest_path(tmp_path).read_bytes()
    unnoticed = []
    for place in range(len(whole) - 1):  # without its last newline the line is not committed
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        manifest_path(tmp_path).write_bytes(changed)
        try:
            if read_manifest(tmp_path)[0] != [make_segment(1, 10), make_segment(11, 20)]:
                unnoticed.append(place)
        except ManifestError:
            continue
    assert unnoticed == []


@pytest.mark.parametrize(
    "name", ["", "a", "channel-event/shop/MessageItem/m1", "漢字 🙂", "x" * 5_000]
)
def test_a_derived_id_is_the_uuid5_of_its_name(name: str) -> None:
    assert contract.derived_id(name) == str(uuid5(contract.NAMESPACE, name))
