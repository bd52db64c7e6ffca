"""`verify` finds damage and names its place. Each case is a control of one check."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from convolake.verify import Verdict, _checks, verify
from convolake.verify_warehouse import Check
from ingest.contract import manifest_path
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Record, damage, make_conversation
from warehouse.lake import connect


def run_verify(settings: Settings) -> Verdict:
    return run_in_adbc_process(verify, settings)


@pytest.fixture
def intact(record: Record) -> Record:
    """A record of three segments, all loaded."""
    record.write(
        [event for number in range(3) for event in make_conversation(f"c{number}", messages=4)]
    )
    record.seal(rows=6)
    record.load()
    return record


def test_an_intact_record_passes_verify(intact: Record) -> None:
    verdict = run_verify(intact.settings)
    assert [check for check in verdict.checks if not check.ok] == []
    assert (verdict.ok, verdict.events, verdict.unsealed_events, verdict.unloaded_events) == (
        True,
        18,
        0,
        0,
    )


def test_unsealed_and_unloaded_events_are_reported_and_are_not_damage(intact: Record) -> None:
    intact.write(make_conversation("c8"))
    intact.seal()
    intact.write(make_conversation("c9"))
    verdict = run_verify(intact.settings)
    assert (verdict.ok, verdict.unsealed_events, verdict.unloaded_events) == (True, 4, 4)


def in_log(statement: str) -> Callable[[Settings], None]:
    return partial(damage, statement=statement)


def in_warehouse(statement: str) -> Callable[[Settings], None]:
    def damage(settings: Settings) -> None:
        with connect(settings.warehouse_path, read_only=False) as con:
            con.execute(statement)

    return damage


def second_segment(settings: Settings) -> Path:
    return sorted(settings.lake_path.glob("events/*/*.parquet"))[1]


def flip_a_bit(settings: Settings) -> None:
    content = bytearray(second_segment(settings).read_bytes())
    content[500] ^= 4
    second_segment(settings).write_bytes(content)


def add_foreign_file(settings: Settings) -> None:
    (second_segment(settings).parent / "alien.parquet").write_bytes(b"x")


def delete_manifest_line(settings: Settings) -> None:
    path = manifest_path(settings.lake_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])


DAMAGES: dict[str, tuple[Callable[[Settings], None], str, str]] = {
    "a lost event": (in_log("delete from events where position = 9"), "log positions", "9"),
    "a lost first event": (in_log("delete from events where position = 1"), "log positions", "1"),
    "a sequence that jumps": (
        in_log("update events set sequence = 77 where position = 6"), "sequences are 1 to n", "c0",
    ),
    "a state that is behind": (
        in_log("update conversations set last_sequence = 1 where conversation_id = 'c1'"), "the state of each conversation", "c1",
    ),
    "a changed text": (in_log("update events set text = 'x' where position = 9"), "log and Parquet", "column text"),
    "a changed time": (
        in_log("update events set happened_at = 0 where position = 9"), "log and Parquet", "column happened_at",
    ),
    "a flipped bit": (flip_a_bit, "segments are the bytes", "0-000000000007"),
    "a lost segment": (lambda settings: second_segment(settings).unlink(), "segments are the bytes", "0-000000000007"),
    "a foreign file": (add_foreign_file, "segments are the bytes", "alien.parquet"),
    "a lost line of the manifest": (delete_manifest_line, "the manifest is whole", "line 2"),
    "an event lost in the warehouse": (
        in_warehouse("delete from events where position = 9"), "Parquet and warehouse", "18 sealed, 17 loaded",
    ),
    "an event duplicated in the warehouse": (
        in_warehouse("insert into events select * from events where position = 9"), "Parquet and warehouse", "19 loaded",
    ),
    "an event changed in the warehouse": (
        in_warehouse("update events set text = 'x' where position = 9"), "Parquet and warehouse", "2 differ",
    ),
    "a message lost in the warehouse": (
        in_warehouse("delete from messages where message_id = 'c1-m0'"), "messages match", "messages: 11",
    ),
    "a message changed in the warehouse": (
        in_warehouse("update messages set text = 'x', participant_role = 'agent' where message_id = 'c1-m0'"),
        "messages match", "2 differ",
    ),
    "a state changed in the warehouse": (
        in_warehouse("update conversations set state = 'closed' where conversation_id = 'c1'"),
        "conversations match", "2 differ",
    ),
    "a figure changed in the warehouse": (
        in_warehouse("update daily_activity set conversations_started = 777"), "daily_activity match", "2 differ",
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", DAMAGES)
def test_verify_reports_each_damage_with_its_place(intact: Record, name: str) -> None:
    harm, check_name, place = DAMAGES[name]
    harm(intact.settings)
    broken = [check for check in run_verify(intact.settings).checks if not check.ok]
    assert broken, name
    assert any(check.name.startswith(check_name) and place in check.detail for check in broken), (
        broken
    )


def test_the_verify_command_exits_with_1_when_a_check_fails(intact: Record) -> None:
    assert run_in_adbc_process(run_verify_command, intact.settings) == (0, True)
    assert json.loads(intact.settings.verify_path.read_text())["ok"] is True
    flip_a_bit(intact.settings)
    assert run_in_adbc_process(run_verify_command, intact.settings) == (1, False)
    assert json.loads(intact.settings.verify_path.read_text())["ok"] is False


def run_verify_command(settings: Settings) -> tuple[int, bool]:
    places = {"CONVOLAKE_DATA": str(settings.data), "CONVOLAKE_STORE_URL": settings.database_url}
    found = CliRunner(env=places).invoke(app, ["verify", "--json"])
    return found.exit_code, json.loads(found.stdout)["ok"]


@pytest.mark.long
def test_verify_passes_during_writes_seals_and_loads(record: Record) -> None:
    """Events are written, sealed and loaded between any two checks; newer events are not damage."""
    record.publish(make_conversation())
    number = 0

    def add_a_conversation() -> None:
        nonlocal number
        number += 1
        record.publish(make_conversation(f"more-{number}"))

    run_in_adbc_process(begin_verify, record.settings)
    add_a_conversation()
    while (checks := run_in_adbc_process(step_verify)) is not None:
        assert checks == [], checks
        if number < 4:
            add_a_conversation()


class RunningVerify:
    """A `verify` that runs check by check in the other process."""

    verdict: Verdict
    checks: Iterator[Check]


def begin_verify(settings: Settings) -> None:
    RunningVerify.verdict = Verdict()
    RunningVerify.checks = _checks(settings, RunningVerify.verdict)
    next(RunningVerify.checks)  # by now all data is pinned or read


def step_verify() -> list[str] | None:
    check = next(RunningVerify.checks, None)
    return None if check is None else [] if check.ok else [f"{check.name}: {check.detail}"]


def test_verify_reports_a_warehouse_without_a_load(record: Record) -> None:
    record.write(make_conversation())
    record.seal()
    connect(record.settings.warehouse_path, read_only=False).close()
    verdict = run_verify(record.settings)
    assert [check.detail for check in verdict.checks if not check.ok] == [
        "not there yet; `convolake load` makes it"
    ]


def test_verify_fails_on_an_empty_folder(settings: Settings) -> None:
    assert not run_verify(settings).ok
