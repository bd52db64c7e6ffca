"""Events of a foreign segment that no model can read are kept with their reason, and stop nothing."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from convolake.verify import verify
from ingest.arrow_schema import SCHEMA
from ingest.contract import from_micros
from ingest.lake.segments import Lake
from ingest.manifest import read_manifest
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record, make_conversation, make_event
from tests.warehouse_contents import CACHED, change_model

pytestmark = pytest.mark.long

Row = dict[str, Any]


def rows_sealed(record: Record) -> list[Row]:
    """Return the events of the first segment."""
    (segment, *_) = read_manifest(record.settings.lake_path)[0]
    table = pq.read_table(record.settings.lake_path / segment.path, partitioning=None)
    found: list[Row] = table.select(SCHEMA.names).to_pylist()
    return found


def seal_foreign(record: Record, rows: list[Row]) -> None:
    """Seal a segment that another program wrote, after the last position."""
    segments = read_manifest(record.settings.lake_path)[0]
    position = segments[-1].last_position
    placed = [row | {"position": position + number} for number, row in enumerate(rows, 1)]
    table = pa.Table.from_pylist(placed, schema=SCHEMA)
    Lake(record.settings.lake_path).seal(table, from_micros(record.clock()))


def foreign_conversation(record: Record, name: str, **poison: Any) -> list[Row]:
    """Return a conversation of which the message with sequence 3 has the values `poison`."""
    rows = [
        row | {"conversation_id": name, "event_id": f"{name}-{row['event_id']}"}
        for row in rows_sealed(record)
    ]
    for row in rows:
        if row["sequence"] == 3:
            row |= poison
    return rows


LATER = datetime(2030, 1, 1, 12, tzinfo=UTC)

POISON: list[tuple[str, Row]] = [
    ("payload is not JSON", {"payload": "{'not': json"}),
    ("payload is not an object", {"payload": '["a", "list"]'}),
    ("happened_at is before 1970", {"happened_at": datetime(1, 1, 1, tzinfo=UTC)}),
    ("happened_at is after received_at", {"happened_at": datetime(9999, 12, 31, tzinfo=UTC)}),
    ("received_at is after committed_at", {"received_at": LATER + timedelta(days=400)}),
    ("schema_version is newer than this version", {"schema_version": 2}),
    ("conversation_id or sequence is missing", {"sequence": None}),
    ("sequence is below 1", {"sequence": -3}),
    ("conversation_id or sequence is missing", {"conversation_id": None}),
]


@pytest.mark.parametrize(("reason", "poison"), POISON)
def test_a_poison_event_is_kept_with_its_reason_and_the_rest_is_loaded(
    record: Record, reason: str, poison: Row
) -> None:
    record.publish(make_conversation(messages=3))
    seal_foreign(record, foreign_conversation(record, "bad", **poison))
    record.write(make_conversation("good"))
    report = record.load()
    assert (report.events, report.rejected_events) == (4, 1)
    (kept,) = record.query("select * from rejected_events")
    assert (kept["reason"], kept["event_type"]) == (reason, "message.created")
    assert '"text"' in kept["event"]
    assert record.query(
        "select message_count from conversations where conversation_id = 'bad'"
    ) == [{"message_count": 2}]
    (entry,) = record.query("select * from loads order by load_number desc limit 1")
    assert entry["received_events"] == 5
    assert entry["stored_events"] + entry["rejected_events"] == 5


@pytest.mark.parametrize(
    "strange",
    [
        {"text": "x" * 1_048_576},
        {"event_type": "teleport.started", "payload": "{}"},
        {"event_type": "custom.x", "payload": '{"a": {"b": [1, null]}}'},
        {"payload": '{"nlu": "none", "attempt": [], "score": {}}'},
        {"participant_role": None, "participant_id": None},
        {"channel": "\x01 ‮", "text": "\U0010ffff\x00"},
    ],
)
def test_a_strange_event_is_loaded(record: Record, strange: Row) -> None:
    record.publish(make_conversation(messages=3))
    seal_foreign(record, foreign_conversation(record, "odd", **strange))
    assert record.load().events == 5
    assert record.query("select * from rejected_events") == []


@pytest.mark.usefixtures("original_models")
def test_a_rejected_event_is_loaded_once_a_version_understands_it(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.publish(make_conversation(messages=3))
    seal_foreign(record, foreign_conversation(record, "newer", schema_version=2))
    assert record.load().rejected_events == 1
    with monkeypatch.context() as patched:
        change_model(patched, "sealed_events", "schema_version > 1", "schema_version > 2")
        assert record.load().rebuilt
        assert record.query("select * from rejected_events") == []
        assert record.query(
            "select message_count from conversations where conversation_id = 'newer'"
        ) == [{"message_count": 3}]
    for cached in CACHED:
        cached.cache_clear()


def test_verify_counts_rejected_events_as_known(record: Record) -> None:
    record.publish(make_conversation(messages=3))
    seal_foreign(record, foreign_conversation(record, "bad", payload="nonsense"))
    record.load()
    checks = run_in_adbc_process(verify, record.settings).checks
    (found,) = [each for each in checks if each.name.startswith("Parquet and warehouse")]
    assert found.ok
    assert "1 are in rejected_events" in found.detail


# --- loads and restatements -------------------------------------------------------------


def test_a_load_that_changes_a_past_day_is_recorded_with_the_change(
    record: Record, clock: Clock
) -> None:
    record.publish(make_conversation(messages=3))
    clock.forward(days=2)
    record.publish(make_conversation("later", messages=3))
    assert record.query("select * from restatements") == []
    late = make_event(
        conversation_id="c1",
        event_id="late",
        participant_id="helper",
        participant_role="bot",
        happened_at="2030-01-01T10:00:05Z",
    )
    report = record.publish([late])
    assert (report.late_events, report.restated_days) == (1, 1)
    changes = {
        row["metric"]: row
        for row in record.query("select * from restatements where load_number = 3")
    }
    assert {row["active_on"] for row in changes.values()} == {date(2030, 1, 1)}
    assert changes["messages_per_conversation"]["numerator_change"] == 1
    assert changes["messages_per_conversation"]["denominator_change"] == 0
    assert changes["bot_latency"]["value_count_change"] == 1
    (entry,) = record.query("select * from loads where load_number = 3")
    assert (entry["late_events"], entry["restated_days"], entry["is_rebuild"]) == (1, 1, False)
    assert entry["received_events"] == entry["stored_events"] > 0


def test_a_load_without_news_is_not_recorded(record: Record) -> None:
    record.publish(make_conversation())
    record.load()
    assert record.query("select count(*) as n from loads") == [{"n": 1}]
