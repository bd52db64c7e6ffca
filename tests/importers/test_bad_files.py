"""Bad files: a reason with a place, nothing lost before or after it, memory bounded, and never a traceback."""

import gzip
import json
import tracemalloc
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.events.draft import Draft
from ingest.importers import IMPORTERS
from ingest.importers.base import (
    NO_OPTIONS,
    Ambiguity,
    Damage,
    ImportedEvent,
    Importer,
    ImportOptions,
    Item,
)
from tests.importers.samples import SAMPLES

BY_NAME = {importer.name: importer for importer in IMPORTERS}
FOLDERS = {"slack", "intercom", "zendesk"}
MIB = 1024 * 1024


def read(name: str, path: Path, options: ImportOptions = NO_OPTIONS) -> list[Item]:
    return list(BY_NAME[name].read(path, options))


def write(name: str, folder: Path, *records: bytes) -> Path:
    return SAMPLES[name].write(folder, records)


def damage(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.place, item.reason) for item in items if isinstance(item, Damage)]


def texts(items: list[Item]) -> list[str]:
    return [e.event["text"] for e in items if isinstance(e, ImportedEvent) and "text" in e.event]


def questions(items: list[Item]) -> list[str]:
    return [item.question for item in items if isinstance(item, Ambiguity)]


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "text",
                    "ts",
                    "type",
                    "subtype",
                    "user",
                    "edited",
                    "id",
                    "from",
                    "date_unixtime",
                    "content",
                    "sender",
                    "timestamp_ms",
                    "created_at",
                    "conversation_id",
                    "utterances",
                    "original",
                    "dialogue",
                    "timestamps",
                    "dialog",
                    "Events",
                    "attachments",
                    "files",
                    "file",
                    "comment",
                    "sender_name",
                    "message_type",
                    "chats",
                    "list",
                    "event_type",
                    "event_id",
                    "payload",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    JSON_LIKE.map(lambda value: json.dumps(value).encode()),
    st.lists(JSON_LIKE, max_size=3).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda importer: importer.name)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_give_events_or_damage_and_never_an_error(
    importer: Importer, tmp_path: Path, data: st.DataObject
) -> None:
    sample = SAMPLES[importer.name]
    content = data.draw(st.one_of(CONTENT, st.lists(CONTENT, max_size=2)))
    if isinstance(content, list):
        path = sample.write(tmp_path, [sample.good(1), *content, sample.good(2)])
    else:
        path = sample.write(tmp_path, [])
        file = next(each for each in path.rglob("*.*") if each.is_file()) if path.is_dir() else path
        file.write_bytes(content)
    for item in importer.read(path, NO_OPTIONS):
        if isinstance(item, ImportedEvent):
            msgspec.convert(msgspec.json.decode(msgspec.json.encode(item.event)), Draft)
        else:
            assert item.__class__ in {Damage, Ambiguity} or item.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - FOLDERS))
def test_a_truncated_file_gives_what_is_before_its_end_or_says_where_it_ends(
    name: str, tmp_path: Path
) -> None:
    sample = SAMPLES[name]
    path = write(name, tmp_path, *(sample.good(number) for number in range(1, 5)))
    path.write_bytes(path.read_bytes()[:-9])
    items = read(name, path)
    events = [item for item in items if isinstance(item, ImportedEvent)]
    assert events or damage(items)
    if sample.place.startswith("line") and name not in {"whatsapp", "signal", "irc"}:
        assert events
        assert damage(items)[0][0].startswith("line 4")


def test_arrays_in_a_row_are_read_as_one(tmp_path: Path) -> None:
    path = write("taskmaster", tmp_path, SAMPLES["taskmaster"].good(1))
    path.write_bytes(path.read_bytes() * 2 + b"\n")
    assert len(texts(read("taskmaster", path))) == 4


def test_a_line_that_is_too_long_is_damage_and_the_next_is_read(tmp_path: Path) -> None:
    good = SAMPLES["jsonl"].good
    path = write("jsonl", tmp_path, good(1), b"x" * 5 * MIB, good(2))
    items = read("jsonl", path)
    assert len([item for item in items if isinstance(item, ImportedEvent)]) == 2
    assert damage(items)[0][0] == "line 2"
    assert "longer than" in damage(items)[0][1]


def test_memory_stays_flat_over_a_gzip_that_unpacks_to_200_mib(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(200):
            file.write(b"\0" * MIB)
    tracemalloc.start()
    items = read("jsonl", path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [place for place, _ in damage(items)] == ["line 1"]
    assert peak < 40 * MIB


def test_two_encodings_in_one_file(tmp_path: Path) -> None:
    lines = ["[10:00] <ada> Grüße".encode(), "[10:01] <ada> Grüße".encode("latin-1")]
    path = write("irc", tmp_path, *lines)
    assert damage(read("irc", path)) == [("line 2", "not UTF-8; --encoding names another one")]
    assert texts(read("irc", path, ImportOptions(encoding="latin-1"))) == ["Grüße", "Grüße"]


def test_utf_16_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("13/01/24, 11:25 - Ada: Grüße\n\nzwei\n", "utf-16")
    assert texts(read("whatsapp", path)) == ["Grüße\n\nzwei"]


def test_dates_that_can_be_read_in_two_ways_are_not_read_without_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("01/02/24, 10:00 - Ada: one\n05/06/24, 11:00 - Ada: two\n")
    items = read("whatsapp", path)
    assert "the dates can be read as dmy or mdy" in questions(items)
    assert texts(items) == []
    assert damage(items)
    answered = read("whatsapp", path, ImportOptions(dates="mdy", zone=ZoneInfo("Europe/Berlin")))
    times = [e.event["happened_at"] for e in answered if isinstance(e, ImportedEvent)]
    assert times[0] == "2024-01-02T09:00:00+00:00"


def test_a_chat_that_only_goes_forward_in_one_order_has_that_order(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("10/01/24, 10:00 - Ada: one\n05/02/24, 11:00 - Ada: two\n")
    items = read("whatsapp", path)
    assert not damage(items)
    assert [e.event["happened_at"][:10] for e in items if isinstance(e, ImportedEvent)][-1] == (
        "2024-02-05"
    )


def test_two_orders_in_one_file_are_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("20/01/24, 10:00 - Ada: one\n01/21/24, 11:00 - Ada: two\n")
    (_, reason), *_ = damage(read("whatsapp", path))
    assert "not dmy at line 2" in reason
    assert "not mdy at line 1" in reason
    chosen = read("whatsapp", path, ImportOptions(dates="dmy"))
    assert texts(chosen) == ["one"]
    assert [place for place, _ in damage(chosen)] == ["line 2"]


@pytest.mark.parametrize("year", ["0001", "1970", "9999"])
def test_a_year_that_cannot_be_is_damage_with_its_row(tmp_path: Path, year: str) -> None:
    rows = [SAMPLES["csv"].good(1), f"c,ada,agent,{year}-01-01T10:00:00Z,hello".encode()]
    items = read("csv", write("csv", tmp_path, *rows, SAMPLES["csv"].good(2)))
    assert damage(items) == [("row 2", "the year is not between 1990 and 2099")]
    assert len(texts(items)) == 2


def test_a_table_with_a_ragged_row_says_after_which_row(tmp_path: Path) -> None:
    items = read("csv", write("csv", tmp_path, SAMPLES["csv"].good(1), b"a,b,c,d,e,f,g"))
    assert damage(items)
    assert "more fields" in damage(items)[0][1]


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("wer,was,wann\nada,hallo,2024-01-01 10:00\n")
    assert damage(read("csv", path))[0][1] == "no column for text, sender; --map states it"
    options = ImportOptions(
        columns={"sender": "wer", "text": "was", "time": "wann"},
        roles={"*": "agent"},
        zone=ZoneInfo("Asia/Tokyo"),
    )
    (*_, last) = [e.event for e in read("csv", path, options) if isinstance(e, ImportedEvent)]
    assert (last["text"], last["participant_role"]) == ("hallo", "agent")
    assert last["happened_at"] == "2024-01-01T01:00:00+00:00"


DAY = json.dumps([{"type": "message", "user": "U1", "text": "Hi", "ts": "1700000000.000100"}])


def archive(path: Path, **members: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_zip_is_read_as_a_folder_is(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a.zip", **{"export/general/2024-01-01.json": DAY, "export/users.json": "[]"}
    )
    assert texts(read("slack", path)) == ["Hi"]


def test_paths_that_lead_out_of_an_archive_are_damage(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a.zip", **{"../../etc/2024.json": DAY, "general/2024-01-01.json": DAY}
    )
    items = read("slack", path)
    assert damage(items) == [("../../etc/2024.json", "its path leads out of the archive")]
    assert texts(items) == ["Hi"]


def test_a_bomb_and_a_zip_in_a_zip_are_not_unpacked(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", x=DAY).read_bytes()
    members: dict[str, bytes | str] = {
        "general/2024-01-01.json": DAY,
        "general/2024-01-02.json": b"0" * 50 * MIB,
        "general/inner.zip": inner,
    }
    path = archive(tmp_path / "a.zip", **members)
    tracemalloc.start()
    items = read("slack", path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert texts(items) == ["Hi"]
    assert [place for place, _ in damage(items)] == ["general/2024-01-02.json"]
    assert peak < 20 * MIB


def test_a_declared_size_of_10_gb_is_not_reserved(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"general/2024-01-01.json": DAY})
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (4_200_000_000).to_bytes(4, "little")
    path.write_bytes(raw)
    items = read("slack", path)
    assert texts(items) == []
    assert "longer than" in damage(items)[0][1]


def test_a_damaged_archive_is_damage(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"general/2024-01-01.json": DAY})
    path.write_bytes(path.read_bytes()[:-30])
    assert damage(read("slack", path))


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    path = write("slack", tmp_path, SAMPLES["slack"].good(1))
    (path / "general" / "2024-01-02.json").symlink_to("/etc/passwd")
    assert damage(read("slack", path)) == [("general/2024-01-02.json", "a link is not followed")]


def test_half_a_character_is_damage_of_its_item_only(tmp_path: Path) -> None:
    good = SAMPLES["taskmaster"].good
    items = read("taskmaster", write("taskmaster", tmp_path, good(1), b'{"a": "\\ud800"}', good(2)))
    assert len(texts(items)) == 4
    assert len(damage(items)) == 1


def test_deep_nesting_is_damage(tmp_path: Path) -> None:
    for name in ("telegram", "taskmaster"):
        path = tmp_path / f"{name}.json"
        path.write_bytes(b"[" * 100_000)
        assert damage(read(name, path))


def test_mojibake_of_meta_is_repaired_and_right_text_is_kept(tmp_path: Path) -> None:
    wrong = "Zoë 🤓".encode().decode("latin-1")
    records = [
        json.dumps(
            {"sender_name": wrong, "timestamp_ms": 1_700_000_000_000, "content": text}
        ).encode()
        for text in (wrong, "Zoë 🤓", "plain")
    ]
    assert texts(read("instagram", write("instagram", tmp_path, *records))) == [
        "plain",
        "Zoë 🤓",
        "Zoë 🤓",
    ]
