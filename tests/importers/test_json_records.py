"""Records of JSON files: lines, arrays, values in a row; damaged ones are named and cost no other."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.importers.base import Damage
from ingest.importers.json_records import records

ONE, TWO, THREE = {"n": 1, "in": [{"a": {}}]}, {"n": 2, "in": []}, {"n": 3, "t": "ü"}
ALL = [ONE, TWO, THREE]


def line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def pretty(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def read(folder: Path, raw: bytes, encoding: str | None = None) -> list[Any]:
    path = folder / "file.json"
    path.write_bytes(raw)
    return [record for _, record in records(path, encoding)]


def good(folder: Path, raw: bytes) -> list[Any]:
    return [each for each in read(folder, raw) if not isinstance(each, Damage)]


def damage(folder: Path, raw: bytes) -> list[tuple[str, str]]:
    found = [each for each in read(folder, raw) if isinstance(each, Damage)]
    return [(each.place, each.reason) for each in found]


LAYOUTS = {
    "lines": b"\n".join(map(line, ALL)),
    "lines with a mark, empty lines and CRLF": b"\xef\xbb\xbf" + b"\r\n\r\n".join(map(line, ALL)),
    "glued on one line": b"".join(map(line, ALL)),
    "an array": line(ALL),
    "an array, pretty": pretty(ALL),
    "objects in a row, pretty": b"\n".join(map(pretty, ALL)),
    "objects glued, pretty": b"".join(map(pretty, ALL)),
    "two arrays in a row": pretty([ONE, TWO]) + b"\n" + pretty([THREE]),
    "two arrays glued": pretty([ONE, TWO]) + pretty([THREE]),
    "an object and an array": pretty(ONE) + pretty([TWO, THREE]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_all_records(layout: str, tmp_path: Path) -> None:
    assert read(tmp_path, LAYOUTS[layout]) == ALL


def test_lines_of_arrays_are_records_and_not_their_items(tmp_path: Path) -> None:
    assert read(tmp_path, b"[1, 2]\n[3]\n") == [[1, 2], [3]]


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl.gz"
    path.write_bytes(gzip.compress(LAYOUTS["lines"]))
    assert [record for _, record in records(path)] == ALL


def test_places_are_the_lines_where_records_begin(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"[\n" + b",\n".join(map(pretty, [TWO, TWO, THREE])) + b"\n]")
    assert [place for place, _ in records(path)] == ["line 2", "line 6", "line 10"]


@pytest.mark.parametrize("layout", ["lines", "an array", "an array, pretty", "two arrays glued"])
def test_a_file_after_one_that_was_cut_off_is_read_in_full(layout: str, tmp_path: Path) -> None:
    for cut in (line(ONE)[:-4], line(TWO)[:-1], pretty([ONE, THREE])[:-9], pretty(THREE)[:-4]):
        raw = cut + LAYOUTS[layout]
        found = good(tmp_path, raw)
        assert found[-3:] == ALL
        assert len(damage(tmp_path, raw)) == 1


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "an array"])
def test_a_cut_at_any_byte_costs_only_the_record_that_it_cuts(layout: str, tmp_path: Path) -> None:
    raw = LAYOUTS[layout]
    for end in range(len(raw)):
        found = good(tmp_path, raw[:end])
        assert found == ALL[: len(found)]
        whole = sum(1 for each in ALL if line(each) in raw[:end] or pretty(each) in raw[:end])
        assert len(found) >= whole


def test_a_damaged_record_in_a_pretty_array_costs_no_other(tmp_path: Path) -> None:
    raw = pretty(ALL).replace(b'"n": 2', b'"n": two')
    assert good(tmp_path, raw) == [ONE, THREE]
    assert damage(tmp_path, raw) == [("line 11", "not JSON: Expecting value")]


def test_a_record_in_another_encoding_costs_no_other(tmp_path: Path) -> None:
    bad = '{"t": "ü"}'.encode("latin-1")
    assert good(tmp_path, b"\n".join([line(ONE), bad, line(TWO)])) == [ONE, TWO]
    assert good(tmp_path, b"[\n" + b",\n".join([line(ONE), bad, line(TWO)]) + b"]") == [ONE, TWO]
    reasons = damage(tmp_path, b"\n".join([line(ONE), bad, line(TWO)]))
    assert reasons == [("line 2", "not UTF-8; --encoding names another one")]
    lines = b"\n".join([line(ONE), bad, line(TWO)])
    assert read(tmp_path, lines, "latin-1") == [ONE, {"t": "ü"}, TWO]


def test_a_line_of_one_mebibyte_is_read(tmp_path: Path) -> None:
    long = {"t": "x" * 1024 * 1024}
    assert read(tmp_path, b"\n".join([line(ONE), line(long), line(TWO)])) == [ONE, long, TWO]


@pytest.mark.parametrize(
    "bad", [b'{"a": "\\ud800"}', b'{"a": NaN}', b"[" * 100_000, b'{"a"', b"\x00\xff", b"hello"]
)
def test_what_cannot_be_stored_is_damage_with_its_line(bad: bytes, tmp_path: Path) -> None:
    raw = b"\n".join([line(ONE), bad, line(TWO)])
    assert good(tmp_path, raw) == [ONE, TWO]
    assert [place for place, _ in damage(tmp_path, raw)] == ["line 2"]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"[]", b"[]\n[]"])
def test_an_empty_file_has_no_records(raw: bytes, tmp_path: Path) -> None:
    assert good(tmp_path, raw) in ([], [[], []])
    assert damage(tmp_path, raw) == []


def test_a_long_line_of_glued_records_is_read_once_over(tmp_path: Path) -> None:
    """20,000 records without line ends take about as long as with them."""
    many = [{"n": number, "t": "x" * 100} for number in range(20_000)]
    assert read(tmp_path, b"".join(map(line, many))) == many


def test_records_glued_on_one_of_several_lines_are_all_read(tmp_path: Path) -> None:
    raw = line(ONE) + b"\n" + line(TWO) + line(THREE) + b"\n" + line(ONE)
    assert read(tmp_path, raw) == [ONE, TWO, THREE, ONE]
    cut = line(ONE) + b"\n" + line(TWO)[:-1] + line(THREE) + b"\n" + line(ONE)
    assert good(tmp_path, cut) == [ONE, THREE, ONE]
    assert [place for place, _ in damage(tmp_path, cut)] == ["line 2"]
