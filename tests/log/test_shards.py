"""Two shards in one installation: no reader of the log loses, duplicates or mixes up events."""

from collections import Counter

import pytest
from sqlalchemy import text

from convolake.verify import verify
from ingest.contract import from_micros, manifest_path
from ingest.lake.compaction import compact
from ingest.lake.segments import GapError, Lake
from ingest.log.cursor import encode_cursor
from ingest.log.storage.engine import open_engine
from ingest.manifest import ManifestError, Segment, read_manifest, sealed_cursor
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.api_server import WAIT, Installation, wait_until
from tests.factories import Clock, Record, make_conversation, make_event
from tests.webhook_receiver import Receiver
from warehouse.lake import connect
from warehouse.ledger import Span, gaps, loaded_spans


@pytest.fixture
def two_shards(record: Record) -> Record:
    """Conversation c1 in shard 0, c2 in shard 1, with the same positions."""
    record.write(make_conversation("c1", messages=3))
    record.shard = 1
    record.write(make_conversation("c2", messages=3))
    return record


COUNT = "select shard, count(*) as events from events group by shard order by shard"
FIVE_EACH = [{"shard": 0, "events": 5}, {"shard": 1, "events": 5}]


def test_each_shard_has_positions_without_a_gap(two_shards: Record) -> None:
    rows = two_shards.log("select shard, position from events order by shard, position")
    assert [(row["shard"], row["position"]) for row in rows] == [
        (shard, position) for shard in (0, 1) for position in range(1, 6)
    ]


def test_the_lake_seals_and_the_warehouse_loads_both_shards(two_shards: Record) -> None:
    sealed = two_shards.seal()
    assert {(each.shard, each.first_position, each.last_position) for each in sealed} == {
        (0, 1, 5), (1, 1, 5),
    }  # fmt: skip
    report = two_shards.load()
    assert (report.events, report.damaged) == (10, [])
    assert two_shards.query(COUNT) == FIVE_EACH
    assert two_shards.load().events == 0
    assert run_in_adbc_process(verify, two_shards.settings).ok


def test_many_loads_give_the_tables_of_one_rebuild(two_shards: Record) -> None:
    two_shards.seal(rows=2)
    two_shards.load()
    two_shards.write(
        [make_event(conversation_id="c2", event_id=f"late-{two_shards.shard}", text="again")]
    )
    two_shards.shard = 0
    two_shards.write(
        [make_event(conversation_id="c1", event_id=f"late-{two_shards.shard}", text="again")]
    )
    two_shards.seal(rows=1)
    two_shards.load()
    tables = ("events", "conversations", "messages", "sessions", "daily_activity")
    before = {name: two_shards.query(f"from {name} order by all") for name in tables}
    assert [row["events"] for row in two_shards.query(COUNT)] == [6, 6]
    for path in sorted(two_shards.settings.warehouse_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    two_shards.load()
    assert {name: two_shards.query(f"from {name} order by all") for name in tables} == before


def test_damage_in_one_shard_does_not_hide_the_other(two_shards: Record) -> None:
    broken = next(each for each in two_shards.seal() if each.shard == 0)
    (two_shards.settings.lake_path / broken.path).write_bytes(b"PAR1")
    report = two_shards.load()
    assert [each.segment.shard for each in report.damaged] == [0]
    assert two_shards.query(COUNT) == [{"shard": 1, "events": 5}]
    with connect(two_shards.settings.warehouse_path) as con:
        loaded = loaded_spans(con)
    assert loaded == {1: [Span(1, 1, 5)]}
    assert list(gaps(loaded, broken)) == [Span(0, 1, 5)]


def test_a_gap_is_reported_with_its_shard(two_shards: Record) -> None:
    two_shards.seal(rows=2)
    path = manifest_path(two_shards.settings.lake_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert sealed_cursor(read_manifest(two_shards.settings.lake_path)[0]) == {0: 5, 1: 3}
    engine = open_engine(two_shards.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("delete from events where shard = 1 and position = 5"))
        connection.execute(text("update events set position = 6 where shard = 0 and position = 5"))
    engine.dispose()
    checks = {
        check.name: check for check in run_in_adbc_process(verify, two_shards.settings).checks
    }
    assert "'shard': 0" in checks["log positions are 1 to n"].detail
    path.write_text("".join(lines[1:]))
    with pytest.raises(ManifestError):
        read_manifest(two_shards.settings.lake_path)


def test_a_shard_that_lost_events_is_not_sealed(two_shards: Record) -> None:
    two_shards.seal()
    engine = open_engine(two_shards.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("delete from events where shard = 1"))
    engine.dispose()
    two_shards.shard = 0
    two_shards.write([make_event(event_id="more")])
    two_shards.shard = 1
    engine = open_engine(two_shards.settings.database_url)
    with engine.begin() as connection:
        connection.execute(
            text("update events set shard = 1, position = 9 where event_id = 'more'")
        )
    engine.dispose()
    with pytest.raises(GapError, match="shard 1"):
        two_shards.seal()


def test_closed_days_of_both_shards_are_compacted(two_shards: Record, clock: Clock) -> None:
    two_shards.seal(rows=2)
    clock.forward(days=1)
    for shard in (0, 1):
        two_shards.shard = shard
        two_shards.write([make_event(conversation_id=f"c{shard + 1}", event_id=f"next-{shard}")])
    two_shards.seal()
    two_shards.load()
    clock.forward(days=2)
    compacted = run_in_adbc_process(_compact, two_shards.settings, clock.now)
    assert sorted((each.shard, each.rows, len(each.replaces)) for each in compacted) == [
        (0, 5, 3), (1, 5, 3),
    ]  # fmt: skip
    assert two_shards.load().events == 0
    assert two_shards.query(COUNT) == two_shards.log(COUNT)
    assert run_in_adbc_process(verify, two_shards.settings).ok


def _compact(settings: Settings, now: int) -> list[Segment]:
    return list(compact(Lake(settings.lake_path), from_micros(now)))


@pytest.mark.allows_loopback
def test_a_webhook_and_a_replay_deliver_the_events_of_both_shards(
    installation: Installation, receiver: Receiver
) -> None:
    installation.post_events(make_conversation("c1", messages=1))
    record = Record(installation.settings, installation.clock)
    record.shard = 1
    record.write(make_conversation("c2", messages=2))
    made = installation.post("/v1/webhooks", {"url": receiver.url, "after": ""}).json()
    wait_until(lambda: len(receiver.accepted) >= 7, WAIT, "deliveries of both shards")
    assert receiver.sequences("c1") == [1, 2, 3]
    assert receiver.sequences("c2") == [1, 2, 3, 4]
    assert len(set(receiver.ids)) == 7
    path = f"/v1/webhooks/{made['webhook_id']}"
    end = encode_cursor({0: 3, 1: 4})
    wait_until(lambda: installation.http.get(path).json()["cursor"] == end, WAIT, "cursor saved")
    replayed = installation.post(f"{path}/replay", {"delivered": True}).json()
    assert replayed == {"count": 7, "until": end}
    wait_until(lambda: len(receiver.accepted) >= 14, WAIT, "the replay")
    assert set(Counter(each.id for each in receiver.accepted).values()) == {2}
