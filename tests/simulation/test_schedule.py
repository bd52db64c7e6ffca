"""Faults change when and how often a call arrives, never what has to be stored."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from convolake.simulation.expected import Rows, expect
from convolake.simulation.limits import ImpossibleFaultError, check_faults
from convolake.simulation.moments import exactly
from convolake.simulation.parts import index_of
from convolake.simulation.plan import START, Message, Plan, Size, Status, Turn, make_plan
from convolake.simulation.providers import PROVIDERS
from convolake.simulation.schedule import Faults, Schedule, make_schedule

WHATSAPP = PROVIDERS["whatsapp"]
BY_ARRIVAL = {"order", "start", "latency of the bot", "other events"}
"""Facts that say which message of several in a row arrived first."""

FIELDS: dict[Status, set[str]] = {
    "sent": {"submitted events"},  # the API records itself that it was submitted
    "delivered": {"delivered", "delivered events"},
    "read": {"read", "read events"},
    "failed": {"failed", "failed events", "error code"},
}
"""The facts that a lost receipt changes."""

seeds = st.integers(0, 10_000)
shares = st.floats(0, 1)
faults = st.builds(Faults, duplicates=shares, reorder=shares)
sizes = st.builds(Size, st.integers(1, 6), st.integers(4, 120), shares)


SMALL = Size(6)


def planned(seed: int, size: Size = SMALL) -> Plan:
    return make_plan(seed, size, WHATSAPP)


def facts(plan: Plan, schedule: Schedule) -> Rows:
    """Return what is expected, without what depends on the order of arrival."""
    return {
        name: {field: value for field, value in row.items() if field not in BY_ARRIVAL}
        for name, row in expect(WHATSAPP, plan, schedule).items()
    }


@settings(deadline=None)
@given(seeds, sizes, faults)
def test_duplicates_and_reordering_never_change_what_has_to_be_stored(
    seed: int, size: Size, given_faults: Faults
) -> None:
    plan = planned(seed, size)
    undisturbed = make_schedule(plan, seed, Faults())
    assert facts(plan, make_schedule(plan, seed, given_faults)) == facts(plan, undisturbed)


@settings(deadline=None)
@given(seeds, faults, shares)
def test_a_lost_receipt_takes_away_that_receipt_and_nothing_else(
    seed: int, given_faults: Faults, share: float
) -> None:
    plan = planned(seed)
    lossy = Faults(given_faults.duplicates, given_faults.reorder, share)
    schedule = make_schedule(plan, seed, lossy)
    whole = facts(plan, make_schedule(plan, seed, Faults()))
    changed = {
        (name, field)
        for name, row in facts(plan, schedule).items()
        for field, value in row.items()
        if whole[name][field] != value
    }
    assert changed - {(name, "state") for name, _ in changed} == {
        (f"message {key}", field) for key, status in schedule.dropped for field in FIELDS[status]
    }


@settings(deadline=None)
@given(seeds, faults, shares)
def test_every_call_arrives_except_the_receipts_that_are_lost(
    seed: int, given_faults: Faults, share: float
) -> None:
    plan = planned(seed)
    schedule = make_schedule(
        plan, seed, Faults(given_faults.duplicates, given_faults.reorder, share)
    )
    first = Counter((each.key, each.status) for each in schedule.deliveries if not each.is_repeat)
    turns = [turn for conversation in plan for turn in conversation.turns]
    calls = [(each.key, None) for turn in turns for each in (*turn.messages, turn.answer)]
    receipts = [(turn.answer.key, each.status) for turn in turns for each in turn.answer.receipts]
    assert first == Counter([*calls, *receipts]) - Counter(schedule.dropped)
    assert schedule.dropped <= set(receipts)


@settings(deadline=None)
@given(seeds, sizes, faults)
def test_a_call_arrives_after_it_was_made_and_before_what_depends_on_it(
    seed: int, size: Size, given_faults: Faults
) -> None:
    plan = planned(seed, size)
    schedule = make_schedule(plan, seed, given_faults)
    arrivals = schedule.first_arrivals()
    for conversation in plan:
        for turn, following in pairwise([*conversation.turns, None]):
            assert turn is not None
            answered = arrivals[turn.answer.key, None]
            assert all(each.at <= arrivals[each.key, None] < answered for each in turn.messages)
            for each in turn.answer.receipts:
                assert answered <= arrivals[turn.answer.key, each.status] >= each.at
                if following is not None:
                    assert arrivals[turn.answer.key, each.status] < following.messages[0].at


@settings(deadline=None)
@given(seeds, faults)
def test_a_repeat_never_comes_first(seed: int, given_faults: Faults) -> None:
    schedule = make_schedule(planned(seed), seed, given_faults)
    seen = set()
    for each in schedule.deliveries:
        assert not each.is_repeat or (each.key, each.status) in seen
        seen.add((each.key, each.status))


@settings(deadline=None)
@given(seeds, faults)
def test_no_two_messages_of_a_customer_arrive_in_the_same_second(
    seed: int, given_faults: Faults
) -> None:
    plan = planned(seed)
    arrivals = make_schedule(plan, seed, given_faults).first_arrivals()
    parts = index_of(plan, WHATSAPP)
    moments = Counter(
        (parts[key].conversation.customer.number, at)
        for (key, status), at in arrivals.items()
        if status is None
    )
    assert set(moments.values()) == {1}


@settings(deadline=None)
@given(seeds)
def test_only_the_seed_and_the_size_decide_the_plan(seed: int) -> None:
    assert planned(seed) == planned(seed)
    assert planned(seed) != planned(seed + 1)
    hidden = planned(seed, Size(6, hidden_numbers=1.0))
    said = [[turn.messages[0].text for turn in each.turns] for each in planned(seed)]
    assert said == [[turn.messages[0].text for turn in each.turns] for each in hidden]


def test_every_message_and_every_id_is_different() -> None:
    plan = planned(7, Size(200))
    for provider in PROVIDERS.values():
        parts = index_of(plan, provider)
        assert len({part.said.text for part in parts.values()}) == len(parts)
        assert len({part.provider_id for part in parts.values()}) == len(parts)
        assert len({provider.recipient(each.customer) for each in plan}) == len(plan)


def test_a_plan_has_everything_that_can_go_wrong() -> None:
    plan = planned(7, Size(200, hidden_numbers=0.3))
    turns = [turn for each in plan for turn in each.turns]
    assert {len(turn.messages) for turn in turns} == {1, 2, 3}
    assert {each.turns[-1].session for each in plan} == {1, 2}
    assert {each.customer.hides_from for each in plan} == {None, 0, 1, 2}
    assert {turn.answer.names_reference for turn in turns} == {True, False}
    assert {turn.answer.receipts[-1].status for turn in turns} == {"read", "failed"}
    messages: list[Message] = [each for turn in turns for each in turn.messages]
    assert min(each.at for each in messages) == START
    assert {each.shows_number for each in messages} == {True, False}


def test_shares_decide_how_many_calls_are_affected() -> None:
    plan = planned(7, Size(300, hidden_numbers=0.2))
    schedule = make_schedule(plan, 7, Faults(0.05, 0.1, 0.02))
    calls = [each for each in schedule.deliveries if not each.is_repeat]
    repeated = {(e.key, e.status) for e in schedule.deliveries if e.is_repeat}
    receipts = [each for each in calls if each.status] + [*schedule.dropped]
    assert 0.03 < len(repeated) / len(calls) < 0.07
    assert 0.01 < len(schedule.dropped) / len(receipts) < 0.03
    assert 0.13 < sum(each.customer.hides_from is not None for each in plan) / len(plan) < 0.27
    assert any(each.is_early for each in calls)


def test_repeats_come_at_the_same_moment_and_on_the_next_day() -> None:
    schedule = make_schedule(planned(7), 7, Faults(duplicates=1.0))
    arrivals = schedule.first_arrivals()
    delays = {
        each.at - arrivals[each.key, each.status] for each in schedule.deliveries if each.is_repeat
    }
    assert {0, 26 * 3600} <= delays


def test_a_later_mark_of_reading_replaces_one_that_is_lost() -> None:
    messenger = PROVIDERS["messenger"]
    plan = make_plan(7, Size(30), messenger)
    schedule = make_schedule(plan, 7, Faults())
    several = next(each for each in plan if len(each.turns) > 1 and _is_read(each.turns[1]))
    first, second = (turn.answer for turn in several.turns[:2])
    lost = schedule.without(lambda each: each.key == first.key and each.status == "read")
    lost = replace(lost, dropped=frozenset({(first.key, "read")}))
    row = expect(messenger, plan, lost)[f"message {first.key}"]
    assert row["read"] == exactly(second.receipts[-1].at)


def _is_read(turn: Turn) -> bool:
    return turn.answer.receipts[-1].status == "read"


@pytest.mark.parametrize(
    ("channel", "size", "given_faults", "option"),
    [
        ("sms", Size(hidden_numbers=0.2), Faults(), "--hidden-numbers"),
        ("telegram", Size(), Faults(drop_receipts=0.1), "--drop-receipts"),
        ("whatsapp", Size(bot_seconds=3), Faults(), "--slow-bot"),
        ("whatsapp", Size(bot_seconds=121), Faults(), "--slow-bot"),
    ],
)
def test_a_fault_that_the_provider_cannot_have_is_an_error(
    channel: str, size: Size, given_faults: Faults, option: str
) -> None:
    with pytest.raises(ImpossibleFaultError, match=option):
        check_faults(PROVIDERS[channel], size, given_faults)


def test_the_faults_of_a_provider_are_no_error() -> None:
    check_faults(WHATSAPP, Size(1, 15, 0.2), Faults(1.0, 1.0, 1.0))
    check_faults(PROVIDERS["telegram"], Size(1, 15), Faults(1.0, 1.0))
