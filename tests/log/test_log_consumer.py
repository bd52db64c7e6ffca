"""Every reader of the log fulfils one contract, also with several shards."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ingest.contract import Cursor
from ingest.errors import InvalidRequestError
from ingest.lake.log_reader import open_log
from ingest.log import queries
from ingest.log.cursor import (
    START,
    advance,
    decode_cursor,
    distance,
    encode_cursor,
    furthest,
    is_behind,
)
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Record, make_conversation

Place = tuple[int, int]


class Reader(NamedTuple):
    """One implementation: its head, and the shard and position of each event after a cursor."""

    head: Callable[[Settings], dict[int, int]]
    read: Callable[[Settings, Cursor, int], list[Place]]


def _store_head(settings: Settings) -> dict[int, int]:
    engine = open_engine(settings.database_url, read_only=True)
    head = dict(queries.head(engine))
    engine.dispose()
    return head


def _store_read(settings: Settings, after: Cursor, limit: int) -> list[Place]:
    engine = open_engine(settings.database_url, read_only=True)
    rows = queries.read_log(engine, after, limit)
    engine.dispose()
    return [(row["shard"], row["position"]) for row in rows]


def _lake_head(settings: Settings) -> dict[int, int]:
    with open_log(settings) as log:
        return dict(log.head())


def _lake_read(settings: Settings, after: Cursor, limit: int) -> list[Place]:
    with open_log(settings) as log:
        rows = log.read(after, limit).select(["shard", "position"]).to_pylist()
    return [(row["shard"], row["position"]) for row in rows]


READERS = {
    "the API's queries": Reader(_store_head, _store_read),
    "the lake's log reader": Reader(
        lambda settings: run_in_adbc_process(_lake_head, settings),
        lambda settings, after, limit: run_in_adbc_process(_lake_read, settings, after, limit),
    ),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return READERS[request.param]


@pytest.fixture
def two_shards(record: Record) -> Record:
    """Three events in shard 0, five in shard 1, then three more in shard 0."""
    record.write(make_conversation("c1", messages=1))
    record.shard = 1
    record.write(make_conversation("c2", messages=3))
    record.shard = 0
    record.clock.forward(seconds=1)
    record.write(make_conversation("c3", messages=1))
    return record


ALL = {(0, n) for n in range(1, 7)} | {(1, n) for n in range(1, 6)}


def test_an_empty_log_has_an_empty_head(record: Record, reader: Reader) -> None:
    assert reader.head(record.settings) == {}
    assert reader.read(record.settings, START, 10) == []


def test_the_head_has_the_last_position_of_every_shard(two_shards: Record, reader: Reader) -> None:
    assert reader.head(two_shards.settings) == {0: 6, 1: 5}


def test_a_read_from_the_start_returns_every_event_in_order_of_its_shard(
    two_shards: Record, reader: Reader
) -> None:
    places = reader.read(two_shards.settings, START, 100)
    assert set(places) == ALL
    for shard in (0, 1):
        positions = [position for each, position in places if each == shard]
        assert positions == list(range(1, len(positions) + 1))


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_read_one_after_the_other_return_every_event_once(
    two_shards: Record, reader: Reader, limit: int
) -> None:
    cursor: dict[int, int] = {}
    seen: list[Place] = []
    while page := reader.read(two_shards.settings, cursor, limit):
        assert len(page) <= limit
        seen += page
        cursor |= dict(page)
    assert len(seen) == len(ALL)
    assert set(seen) == ALL


def test_a_cursor_at_the_head_reads_nothing(two_shards: Record, reader: Reader) -> None:
    head = reader.head(two_shards.settings)
    assert reader.read(two_shards.settings, head, 100) == []


def test_a_shard_that_the_cursor_does_not_name_is_read_from_its_start(
    two_shards: Record, reader: Reader
) -> None:
    places = reader.read(two_shards.settings, {0: 6}, 100)
    assert places == [(1, position) for position in range(1, 6)]


def test_shards_are_merged_by_commit_time(two_shards: Record) -> None:
    places = READERS["the API's queries"].read(two_shards.settings, START, 100)
    assert places[-3:] == [(0, 4), (0, 5), (0, 6)]


def test_a_cursor_survives_encoding() -> None:
    for cursor in ({}, {0: 7}, {3: 1, 0: 2**62}):
        assert decode_cursor(encode_cursor(cursor)) == cursor
    assert encode_cursor({1: 2, 0: 1}) == encode_cursor({0: 1, 1: 2})


@pytest.mark.parametrize(
    "text",
    ["x", "W10x", "eyJhIjoxfQ", "W1swLC0xXV0", "W1t0cnVlLDFdXQ", "A" * 5000, "é", "MQ", "WzFd"],
)
def test_an_invalid_cursor_is_rejected(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(text)


def test_cursors_are_compared_shard_by_shard() -> None:
    assert is_behind({0: 1}, {0: 2})
    assert is_behind({0: 9}, {1: 1})
    assert not is_behind({0: 9, 1: 1}, {0: 9})
    assert distance({0: 1}, {0: 3, 1: 4}) == 6
    assert furthest({0: 3}, {0: 1, 1: 2}) == {0: 3, 1: 2}


def test_a_cursor_advances_past_events(two_shards: Record) -> None:
    engine = open_engine(two_shards.settings.database_url, read_only=True)
    rows = queries.read_log(engine, START, 4)
    engine.dispose()

    class Event(NamedTuple):
        shard: int
        position: int

    events: Any = [Event(row["shard"], row["position"]) for row in rows]
    assert advance(START, events) == {row["shard"]: row["position"] for row in rows}
