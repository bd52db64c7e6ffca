"""Damage in the lake: all of it found, none of it in the warehouse, all the rest loaded."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from convolake.verify import verify
from ingest.manifest import Segment
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record, make_conversation
from tests.faults.conftest import Found
from warehouse.load_report import LoadReport

pytestmark = pytest.mark.timeout(1800)

SEGMENTS = 50
ROWS = 12
AT_ONCE = 20
"""So many segments are damaged before each load."""

Damage = Callable[[bytes, random.Random], bytes]


def flip_a_bit(body: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(body)
    flipped[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def cut_short(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.choice([0, chance.randrange(len(body)), len(body) - 1])]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, list[Segment]]:
    """A record of fifty segments, not loaded."""
    record = Record(Settings(data=tmp_path_factory.mktemp("damage") / "data"), Clock())
    conversations = SEGMENTS * ROWS // 12
    record.write([e for n in range(conversations) for e in make_conversation(f"c{n}", messages=10)])
    return record, record.seal(rows=ROWS)


class Round:
    """Some segments are damaged, the warehouse is rebuilt from the rest, then all are repaired."""

    def __init__(self, record: Record, segments: list[Segment], chance: random.Random) -> None:
        self.missing = 0
        self.wrong_rows = 0
        self.found = 0
        self._record, self._segments, self._chance = record, segments, chance
        self._truth = _rows(record)

    def run(self, damage: Damage, count: int) -> None:
        """Damage so many segments; count what `load` and `verify` did not find, and wrong rows."""
        chosen = self._chance.sample(self._segments, count)
        lake = self._record.settings.lake_path
        whole = {each.path: (lake / each.path).read_bytes() for each in chosen}
        for path, body in whole.items():
            (lake / path).write_bytes(damage(body, self._chance))
        self._load_and_compare({each.path for each in chosen})
        for path, body in whole.items():
            (lake / path).write_bytes(body)

    def run_aliens(self, count: int) -> None:
        """Foreign files: copies under another name, truncated ones, empty ones, text."""
        folder = self._record.settings.lake_path / Path(self._segments[0].path).parent
        aliens = []
        for number in range(count):
            segment = self._chance.choice(self._segments)
            body = (self._record.settings.lake_path / segment.path).read_bytes()
            name = f"0-{number + 1:012}-{900_000 + number:012}.parquet"
            aliens.append(folder / (name if number % 2 else f"part-{number}.parquet"))
            aliens[-1].write_bytes([body, body[:-9], b"", b"a,b\n1,2\n"][number % 4])
        self._load_and_compare(set())
        found = _verify(self._record.settings)
        self.found += count if f"{count} files that are not in the manifest" in found else 0
        self.missing += 0 if f"{count} files that are not in the manifest" in found else count
        for alien in aliens:
            alien.unlink()

    def _load_and_compare(self, damaged: set[str]) -> None:
        report = rebuild_warehouse(self._record)
        quarantined = {each.segment.path for each in report.damaged}
        self.found += len(damaged & quarantined)
        self.missing += len(damaged ^ quarantined)
        if damaged and f"{len(damaged)} damaged or missing" not in _verify(self._record.settings):
            self.missing += len(damaged)
        left_out = {
            position
            for each in self._segments
            if each.path in damaged
            for position in range(each.first_position, each.last_position + 1)
        }
        expected = {key: row for key, row in self._truth.items() if key not in left_out}
        loaded = self._record.query("from events")
        self.wrong_rows += abs(len(loaded) - len(expected))
        self.wrong_rows += sum(expected.get(row["position"]) != row["text"] for row in loaded)


def _rows(record: Record) -> dict[int, Any]:
    return {row["position"]: row["text"] for row in record.log("select position, text from events")}


def rebuild_warehouse(record: Record) -> LoadReport:
    shutil.rmtree(record.settings.warehouse_path, ignore_errors=True)
    return record.load()


def _verify(settings: Settings) -> str:
    return "\n".join(
        check.detail for check in run_in_adbc_process(verify, settings).checks if not check.ok
    )


@pytest.mark.fault("damage")
def test_all_damage_is_found_and_none_is_loaded_into_the_warehouse(
    sealed: tuple[Record, list[Segment]], cycles: Callable[[int, int], int], found: Found
) -> None:
    record, segments = sealed
    flips, cuts, aliens = cycles(40, 500), cycles(10, 100), cycles(3, 20)
    round_ = Round(record, segments, random.Random(random.random()))  # noqa: S311 (where to damage)
    for _ in range(flips // AT_ONCE):
        round_.run(flip_a_bit, AT_ONCE)
    for _ in range(cuts // 10):
        round_.run(cut_short, 10)
    round_.run_aliens(aliens)
    note = f"{flips} flipped bits, {cuts} truncations, {aliens} alien files over {len(segments)} segments: {round_.found} found, {round_.missing} missed, {round_.wrong_rows} wrong rows in the warehouse"
    found(cycles=flips + cuts + aliens, lost=round_.missing, note=note)
    assert len(segments) == SEGMENTS
    assert (round_.found, round_.missing, round_.wrong_rows) == (flips + cuts + aliens, 0, 0)


@pytest.mark.control("damage")
def test_control_reading_damaged_files_directly_gives_wrong_rows_silently(
    sealed: tuple[Record, list[Segment]], tmp_path: Path, found: Found
) -> None:
    record, segments = sealed
    chance = random.Random(7)  # noqa: S311 (where to damage)
    answers = Counter(answers_of_flipped_files(record, segments, tmp_path, chance))
    found(
        loss=f"`read_parquet` on {sum(answers.values())} flipped files: {answers['wrong']} silently wrong, {answers['error']} errors"
    )
    assert answers["wrong"] > 0


def answers_of_flipped_files(
    record: Record, segments: list[Segment], folder: Path, chance: random.Random
) -> Iterator[str]:
    """What DuckDB says to each of three hundred flips: `right`, `wrong`, or `error`."""
    query = "select * from read_parquet(?, hive_partitioning = false) order by position"
    with duckdb.connect() as con:
        con.execute("SET enable_external_file_cache = false")
        for number in range(300):
            path = record.settings.lake_path / chance.choice(segments).path
            truth = con.execute(query, [str(path)]).fetchall()
            flipped = folder / f"{number}.parquet"
            flipped.write_bytes(flip_a_bit(path.read_bytes(), chance))
            try:
                yield "right" if con.execute(query, [str(flipped)]).fetchall() == truth else "wrong"
            except (duckdb.Error, UnicodeDecodeError):
                yield "error"
