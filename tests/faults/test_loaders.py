"""Concurrent loaders: every event is loaded once, and a blocked loader names the lock holder."""

from collections.abc import Callable

import pytest

from tests.factories import Record, make_conversation
from tests.faults.conftest import Found
from tests.faults.loaders import Loaded, answer, load_on_signal, processes

pytestmark = pytest.mark.timeout(1800)


def load_at_once(record: Record, loaders: int, rounds: int, *, locked: bool) -> list[list[Loaded]]:
    """Rounds in which all loaders are told to load the same new segments at the same time."""
    answers = []
    with processes(loaders, load_on_signal, record.settings, locked=locked) as lines:
        for number in range(rounds):
            for part in range(3):
                record.write(make_conversation(f"c{loaders}-{number}-{part}"))
            record.seal(rows=5)
            for line in lines:
                line.send("load")
            answers.append([answer(line) for line in lines])
    return answers


def doubled(record: Record) -> int:
    rows = record.query("select count(*) - count(distinct position) as doubled from events")
    return int(rows[0]["doubled"])


@pytest.mark.fault("loaders")
@pytest.mark.parametrize("loaders", [2, 4])
def test_concurrent_loaders_load_every_event_once(
    record: Record, loaders: int, cycles: Callable[[int, int], int], found: Found
) -> None:
    rounds = cycles(3, 50)
    record.publish(make_conversation())
    answers = load_at_once(record, loaders, rounds, locked=True)
    record.load()
    events = record.log("select count(*) as n from events")[0]["n"]
    rows = record.query("select count(distinct position) as n from events")[0]["n"]
    failures = [each.failure for round_ in answers for each in round_ if each.failure]
    busy = sum(each.is_busy for round_ in answers for each in round_)
    note = f"{loaders} loaders, {rounds} rounds, {events} events: {len(failures)} failures, {busy} found another load running"
    found(cycles=rounds, lost=events - rows, doubled=doubled(record), note=note)
    assert failures == []
    assert [sum(each.events for each in round_) for round_ in answers] == [12] * rounds
    assert (rows, doubled(record)) == (events, 0)


@pytest.mark.control("loaders")
def test_control_loaders_without_their_lock_fail_or_load_twice(
    record: Record, found: Found
) -> None:
    record.publish(make_conversation())
    answers = load_at_once(record, 4, 3, locked=False)
    failures = sum(bool(each.failure) for round_ in answers for each in round_)
    twice = doubled(record)
    found(loss=f"without the lock: {failures} of 12 loads failed, {twice} events doubled")
    assert failures + twice > 0
