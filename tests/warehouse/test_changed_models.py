"""A changed model, reporting zone or version is built again."""

import duckdb
import pytest

from tests.factories import Record, make_conversation, make_event
from tests.warehouse_contents import CACHED, change_model, contents, delete_warehouse, make_busy_day
from warehouse import build
from warehouse.lake import connect

COUNTED_ALWAYS = (
    "active_on", "channel", "messages", "customer_messages", "bot_messages", "agent_messages",
)  # fmt: skip


def test_another_reporting_zone_rebuilds_the_days(record: Record) -> None:
    record.clock.forward(hours=13)  # 23:00 UTC
    record.publish(make_conversation())
    zone = record.settings.model_copy(update={"reporting_zone": "Europe/Berlin"})
    report = build.load(zone.lake_path, zone.warehouse_path, zone.reporting_zone)
    assert report.rebuilt
    assert [
        str(row["active_on"]) for row in record.query("select active_on from daily_activity")
    ] == ["2030-01-02"]
    assert record.query("select count(*) as n from events") == [{"n": 4}]


@pytest.mark.long
@pytest.mark.usefixtures("original_models")
def test_a_changed_model_is_built_again_alone_and_the_rest_stays(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_busy_day(record, seed=3)
    before = contents(record)
    old, new = "happened_at as resolved_at", "received_at as resolved_at"  # here they are the same
    change_model(monkeypatch, "resolutions", old, new)
    report = record.load()
    readers = {"conversations", "turns", "episodes", "daily_activity", "metric_daily"}
    assert (report.events, report.rebuilt) == (0, False)
    assert set(report.backfilled) == {"resolutions"} | readers
    assert contents(record) == before
    record.write([make_event(conversation_id="c5", event_id="after-the-change")])
    record.seal()
    record.load()
    incremental_contents = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == incremental_contents


@pytest.mark.long
@pytest.mark.usefixtures("original_models")
def test_a_model_that_cannot_be_built_changes_nothing_and_is_named(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.publish(make_conversation(messages=3))
    before = contents(record)
    record.write([make_event("conversation.resolved", payload={"resolved_by": "bot"})])
    record.seal()
    with monkeypatch.context() as patched:
        old = "happened_at as resolved_at"
        change_model(
            patched, "resolutions", old, "cast(error('broken') as timestamp) as resolved_at"
        )
        with pytest.raises(duckdb.Error, match="the model resolutions was not built"):
            record.load()
    for cached in CACHED:
        cached.cache_clear()
    assert contents(record) == before
    assert record.load().events == 1


@pytest.mark.long
def test_a_warehouse_of_an_earlier_version_is_built_again(record: Record) -> None:
    make_busy_day(record, seed=4)
    expected = contents(record)
    with connect(record.settings.warehouse_path, read_only=False) as con:
        con.execute("drop table definitions")
        con.execute("create table definition as select 'x' as hash, 'UTC' as reporting_zone")
        con.execute("drop view episode_outcomes")
    assert record.load().rebuilt
    assert contents(record) == expected
