"""Five providers with faults against a real API: the warehouse holds what was planned; what is lost is reported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from convolake.simulation.comparison import Difference, Result, compare
from convolake.simulation.plan import Plan, Size, make_plan
from convolake.simulation.providers import PROVIDERS
from convolake.simulation.providers.base import Provider
from convolake.simulation.run import compare_warehouse, simulate_channel
from convolake.simulation.schedule import Delivery, Faults, Schedule, make_schedule


class Played(NamedTuple):
    """A simulation that was played."""

    provider: Provider
    plan: Plan
    schedule: Schedule
    folder: Path
    result: Result

    def compare(self, plan: Plan, schedule: Schedule | None = None) -> list[Difference]:
        """Return how another plan differs from this warehouse."""
        planned = self.provider, plan, schedule or self.schedule
        return list(compare_warehouse(*planned, self.folder).differences)


def play(
    folder: Path,
    channel: str,
    size: Size,
    faults: Faults,
    seed: int = 7,
    is_lost: Callable[[Delivery], bool] = lambda _: False,
) -> Played:
    provider = PROVIDERS[channel]
    plan = make_plan(seed, size, provider)
    schedule = make_schedule(plan, seed, faults)
    result = simulate_channel(provider, plan, schedule, folder, is_lost=is_lost)
    return Played(provider, plan, schedule, folder, result)


SMALL = Size(6, bot_seconds=15)
MUCH = Faults(duplicates=0.4, reorder=0.6)


@pytest.fixture(scope="module")
def whatsapp(tmp_path_factory: pytest.TempPathFactory) -> Played:
    size = replace(SMALL, hidden_numbers=0.6)
    return play(tmp_path_factory.mktemp("w"), "whatsapp", size, replace(MUCH, drop_receipts=0.2))


def test_whatsapp_with_every_fault_is_stored_as_planned(whatsapp: Played) -> None:
    assert whatsapp.result.differences == ()
    assert whatsapp.result.facts > 400
    assert whatsapp.schedule.dropped
    assert any(each.is_early for each in whatsapp.schedule.deliveries)
    hidden = {each.customer.hides_from for each in whatsapp.plan}
    assert len(hidden & {0, 1, 2}) > 1


def test_sms_with_faults_is_stored_as_planned(tmp_path: Path) -> None:
    faults = replace(MUCH, drop_receipts=0.2)
    assert play(tmp_path, "sms", SMALL, faults).result.differences == ()


@pytest.mark.long
def test_messenger_with_echoes_and_marks_is_stored_as_planned(tmp_path: Path) -> None:
    faults = replace(MUCH, drop_receipts=0.3)
    assert play(tmp_path, "messenger", SMALL, faults).result.differences == ()


def test_telegram_with_faults_is_stored_as_planned(tmp_path: Path) -> None:
    assert play(tmp_path, "telegram", SMALL, MUCH).result.differences == ()


def test_email_with_faults_is_stored_as_planned(tmp_path: Path) -> None:
    """Sessions last three days, and a reply is stored without what it quotes."""
    played = play(tmp_path, "email", SMALL, replace(MUCH, drop_receipts=0.2))
    assert played.result.differences == ()
    assert {each.turns[-1].session for each in played.plan} == {1, 2}


def change_first(plan: Plan, **fields: Any) -> Plan:
    """Return the plan with another first message."""
    turn = plan[0].turns[0]
    message = replace(turn.messages[0], **fields)
    changed = replace(turn, messages=(message, *turn.messages[1:]))
    return replace_turn(plan, changed)


def replace_turn(plan: Plan, turn: Any) -> Plan:
    return (replace(plan[0], turns=(turn, *plan[0].turns[1:])), *plan[1:])


def test_a_text_with_one_more_hidden_character_is_a_difference(whatsapp: Played) -> None:
    message = whatsapp.plan[0].turns[0].messages[0]
    (found,) = whatsapp.compare(change_first(whatsapp.plan, text=f"{message.text}\u200b"))
    assert found == Difference(
        f"message {message.key}: text", f"{message.text}\u200b", message.text
    )


def test_a_second_too_late_is_a_difference(whatsapp: Played) -> None:
    message = whatsapp.plan[0].turns[0].messages[0]
    found = whatsapp.compare(change_first(whatsapp.plan, at=message.at - 1))
    assert f"message {message.key}: time" in {each.what for each in found}


def test_a_receipt_that_should_be_lost_is_a_difference(whatsapp: Played) -> None:
    turn = whatsapp.plan[0].turns[0]
    unread = tuple(each for each in turn.answer.receipts if each.status != "read")
    changed = replace(turn, answer=replace(turn.answer, receipts=unread))
    found = {each.what for each in whatsapp.compare(replace_turn(whatsapp.plan, changed))}
    assert found == {
        f"message {turn.answer.key}: {each}" for each in ("read", "state", "read events")
    }


def test_another_latency_of_the_bot_is_a_difference(whatsapp: Played) -> None:
    deliveries = [
        replace(each, at=each.at - 10) if each.key == "0.1.bot" and each.kind == "answer" else each
        for each in whatsapp.schedule.deliveries
    ]
    schedule = replace(whatsapp.schedule, deliveries=tuple(deliveries))
    found = {each.what for each in whatsapp.compare(whatsapp.plan, schedule)}
    assert "turn 1 of customer 0: latency of the bot" in found


def test_a_number_that_is_known_although_it_was_hidden_is_a_difference(whatsapp: Played) -> None:
    number, known = next(
        (place, each.customer)
        for place, each in enumerate(whatsapp.plan)
        if each.customer.has_shown_number
    )
    hidden = replace(whatsapp.plan[number], customer=replace(known, hides_from=0))
    plan = (*whatsapp.plan[:number], hidden, *whatsapp.plan[number + 1 :])
    (found,) = whatsapp.compare(plan)
    assert found.what == f"customer {number}: addresses"
    assert known.phone in str(found.found)
    assert known.phone not in str(found.expected)


def test_a_customer_whom_the_plan_does_not_know_is_a_difference(whatsapp: Played) -> None:
    found = whatsapp.compare(whatsapp.plan[1:])
    assert {each.expected for each in found} == {None}
    gone = [each.key for turn in whatsapp.plan[0].turns for each in turn.messages]
    texts = {row["text"] for each in found if isinstance(row := each.found, dict) and "text" in row}
    assert len(texts) == len(gone) + len(whatsapp.plan[0].turns)


def test_what_is_lost_on_the_way_is_reported_difference_by_difference(tmp_path: Path) -> None:
    """The control: the API gets one message, one customer and one answer less than the plan has."""
    several, silent, unanswered = make_plan(7, Size(3), PROVIDERS["whatsapp"])[::-1]
    message = several.turns[1].messages[0].key
    answer = unanswered.turns[0].answer.key
    whole = [said.key for turn in silent.turns for said in (*turn.messages, turn.answer)]

    def is_lost(delivery: Delivery) -> bool:
        return delivery.key in (message, answer, *whole)

    found = play(tmp_path, "whatsapp", Size(3), Faults(), is_lost=is_lost).result.differences
    missing = {
        each.what for each in found if each.found is None and isinstance(each.expected, dict)
    }
    assert {each for each in missing if each.startswith("message ")} == {
        f"message {key}" for key in (message, answer, *whole)
    }
    assert {each for each in missing if each.startswith("send ")} == {
        f"send {key}" for key in (answer, *whole) if key.endswith("bot")
    }
    names = {each.what for each in found}
    assert {"customer 1", "conversation of customer 1", "turn 1 of customer 1"} < missing
    assert "conversation of customer 2: order" in names
    assert {
        "turn 1 of customer 0: latency of the bot",
        "conversation of customer 0: messages",
    } < names
    assert {each.what for each in found if each.expected is None} == set()


def test_the_comparison_names_what_is_missing_what_differs_and_what_is_new() -> None:
    expected = {"a": {"x": 1, "y": 2}, "b": {"x": 1}}
    found = {"a": {"x": 1, "y": 3, "z": 4}, "c": {"x": 5}}
    assert list(compare(expected, found)) == [
        Difference("a: y", 2, 3),
        Difference("a: z", None, 4),
        Difference("b", {"x": 1}, None),
        Difference("c", None, {"x": 5}),
    ]
    assert list(compare(expected, expected)) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", [7, 8, 9])
@pytest.mark.parametrize("channel", sorted(PROVIDERS))
def test_a_hundred_customers_with_many_faults_are_stored_as_planned(
    tmp_path: Path, channel: str, seed: int
) -> None:
    provider = PROVIDERS[channel]
    size = Size(100, 15, 0.4 if provider.can_hide_numbers else 0.0)
    faults = Faults(0.3, 0.4, 0.1 if provider.statuses else 0.0)
    assert play(tmp_path, channel, size, faults, seed).result.differences == ()
