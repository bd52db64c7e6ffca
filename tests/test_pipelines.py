"""Dagster: definitions from the models, the load job, and the sensor that starts it."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard

import dagster as dg
import pytest

from ingest.lake import sealer
from ingest.lake.segments import Lake
from ingest.seal_request import request_path, request_seal
from ingest.settings import Settings
from pipelines.dagster_home import command, prepare, run_once
from pipelines.definitions import delete_old_runs, load_job
from tests.api_server import wait_until
from tests.factories import Record, make_conversation
from warehouse.model import models

pytestmark = pytest.mark.long


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def no_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sensor wait for no lake process, where the test runs none."""
    monkeypatch.setattr("pipelines.definitions.SEAL_SECONDS", 0.01)


def test_the_definitions_load_and_name_every_model(settings: Settings) -> None:
    defs = load_job(settings)
    dg.Definitions.validate_loadable(defs)
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"lake", *(model.name for model in models())}


def test_assets_have_parents_a_description_and_a_column_schema(settings: Settings) -> None:
    graph = load_job(settings).resolve_asset_graph()
    node = graph.get(dg.AssetKey("conversations"))
    assert {key.to_user_string() for key in node.parent_keys} == {
        "capped_activity",
        "events",
        "feedback",
        "handoffs",
        "messages",
        "resolutions",
        "sessions",
        "turns",
    }
    assert node.description == "One row per conversation."
    schema = node.metadata["dagster/column_schema"]
    assert schema.columns[0].name == "conversation_id"


def test_the_job_loads_sealed_events_and_reports_row_counts(record: Record) -> None:
    record.write(make_conversation(messages=3))
    record.seal()
    result = run_once(record.settings)
    assert result.success
    rows = {
        event.materialization.asset_key.to_user_string(): event.materialization.metadata[
            "rows_written"
        ].value
        for event in result.get_asset_materialization_events()
    }
    assert rows.keys() == {model.name for model in models()}
    built = {name: count for name, count in rows.items() if count}
    assert built.pop("metric_daily")
    assert built.pop("dates")
    assert built == {
        "events": 5,
        "messages": 3,
        "turns": 2,
        "control_spans": 2,
        "participants": 2,
        "episodes": 1,
        "sessions": 1,
        "conversations": 1,
        "daily_activity": 1,
    }
    assert run_once(record.settings).success
    assert record.query("select count(*) as n from events") == [{"n": 5}]


def test_a_damaged_manifest_fails_the_load_at_once(settings: Settings) -> None:
    settings.lake_path.mkdir(parents=True)
    (settings.lake_path / "manifest.jsonl").write_text("broken\n")
    result = run_once(settings)
    assert not result.success
    assert result.filter_events(lambda event: event.is_step_up_for_retry) == []


def tick(
    settings: Settings, instance: dg.DagsterInstance, cursor: str | None
) -> dg.SensorResult | dg.SkipReason:
    sensor = load_job(settings).resolve_sensor_def("new_segments")
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    found = sensor(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def starts(found: dg.SensorResult | dg.SkipReason) -> TypeGuard[dg.SensorResult]:
    return isinstance(found, dg.SensorResult) and len(found.run_requests or []) == 1


@pytest.mark.usefixtures("no_lake")
def test_the_sensor_starts_a_load_for_new_segments_only(
    record: Record, instance: dg.DagsterInstance
) -> None:
    assert not starts(tick(record.settings, instance, None))
    record.write(make_conversation())
    record.seal()
    first = tick(record.settings, instance, None)
    assert starts(first)
    record.load()
    assert not starts(tick(record.settings, instance, first.cursor))
    record.write(make_conversation("c2"))
    record.seal()
    assert starts(tick(record.settings, instance, first.cursor))


@contextmanager
def sealing(settings: Settings) -> Iterator[None]:
    """Run the lake in the block; it would seal after an hour only."""
    slow = settings.model_copy(update={"seal_seconds": 3600.0})
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(sealer.run, slow, stop)
        try:
            yield
        finally:
            stop.set()
            ended.result(30)


def test_the_sensor_lets_the_lake_seal_and_starts_no_load_until_there_is_more(
    record: Record,
) -> None:
    prepare(record.settings)
    record.write(make_conversation(messages=3))
    with (
        dg.DagsterInstance.from_config(str(record.settings.dagster_path)) as instance,
        sealing(record.settings),
    ):
        first = tick(record.settings, instance, None)
        assert starts(first)
        assert run_once(record.settings).success
        assert record.query("select count(*) as n from events") == [{"n": 5}]
        for cursor in (first.cursor, None):
            assert not starts(tick(record.settings, instance, cursor))
        record.write(make_conversation("c2"))
        assert starts(tick(record.settings, instance, first.cursor))


@pytest.mark.usefixtures("no_lake")
def test_without_a_lake_process_a_load_starts_too_and_the_request_is_met_later(
    record: Record, instance: dg.DagsterInstance
) -> None:
    record.write(make_conversation())
    record.seal()
    record.write(make_conversation("c2"))
    found = tick(record.settings, instance, None)
    assert starts(found)
    with sealing(record.settings):
        request = request_path(record.settings.lake_path)
        wait_until(lambda: not request.exists(), 20, "the lake has sealed")
    assert starts(tick(record.settings, instance, found.cursor))


def test_a_seal_that_fails_is_not_reported_as_done_and_is_met_later(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "RETRY_SECONDS", 0.1)
    record.write(make_conversation(messages=3))
    record.seal()
    record.write(make_conversation("c2"))
    lake = record.settings.lake_path
    with sealing(record.settings):
        with monkeypatch.context() as full:
            full.setattr(Lake, "seal", no_space)
            assert not request_seal(lake, 0.5)
            assert request_path(lake).exists()
        wait_until(lambda: not request_path(lake).exists(), 20, "the lake has sealed")
    record.load()
    assert record.query("select count(*) as n from conversations") == [{"n": 2}]


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_lake_that_may_not_be_written_is_not_sealed_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not request_seal(tmp_path / "file", 0.1)
    assert not request_seal(tmp_path / "missing", 0.1)


@pytest.mark.usefixtures("no_lake")
def test_a_load_that_failed_is_started_again_after_a_minute(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = tmp_path / "hours.toml"
    hours.write_text("these are no hours")
    broken = record.settings.model_copy(update={"business_hours": hours})
    record.write(make_conversation())
    record.seal()
    assert run_once(record.settings).success
    record.write(make_conversation("c2"))
    record.seal()
    with dg.DagsterInstance.from_config(str(record.settings.dagster_path)) as instance:
        first = tick(record.settings, instance, None)
        assert starts(first)
        assert not run_once(broken).success
        at = json.loads(first.cursor or "")["at"]
        for seconds, expected in ((59, False), (61, True)):
            monkeypatch.setattr("pipelines.definitions.time.time", lambda: at + seconds)  # noqa: B023
            assert starts(tick(record.settings, instance, first.cursor)) == expected


@pytest.mark.usefixtures("no_lake")
def test_the_sensor_starts_another_load_if_the_warehouse_is_missing(
    record: Record, instance: dg.DagsterInstance
) -> None:
    record.write(make_conversation())
    record.seal()
    first = tick(record.settings, instance, None)
    assert isinstance(first, dg.SensorResult)
    # The load did not run, so there is no warehouse.
    assert isinstance(tick(record.settings, instance, first.cursor), dg.SensorResult)


def test_the_dagster_home_is_created_once(settings: Settings) -> None:
    config = prepare(settings) / "dagster.yaml"
    assert "default_limit: 1" in config.read_text()
    config.write_text("telemetry: {enabled: false}\n")
    prepare(settings)
    assert config.read_text() == "telemetry: {enabled: false}\n"
    assert "pipelines.definitions" in command(settings)


def test_old_runs_are_deleted_and_the_newest_kept(record: Record) -> None:
    record.write(make_conversation())
    record.seal()
    runs = [run_once(record.settings).run_id for _ in range(3)]
    with dg.DagsterInstance.from_config(str(record.settings.dagster_path)) as instance:
        assert delete_old_runs(instance, "merge", kept=0) == 0
        assert delete_old_runs(instance, "load", kept=2) == 1
        assert {run.run_id for run in instance.get_runs()} == set(runs[1:])
