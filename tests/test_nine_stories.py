"""Nine stories that separate right metrics from wrong ones, with their right answers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.factories import START, Clock, Record, make_event

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

Event = dict[str, Any]


class Story:
    """Writes the events of one conversation, each some seconds after its start."""

    def __init__(self, name: str, started: datetime) -> None:
        self._name = name
        self._started = started
        self.events: list[Event] = []
        self.add(0, "conversation.created", contact_id=f"contact-{name}")

    def add(self, seconds: float, event_type: str, **columns: Any) -> None:
        at = self._started + seconds * SECOND
        event = make_event(event_type, conversation_id=self._name, happened_at=at.isoformat())
        self.events.append(event | columns)

    def say(self, seconds: float, role: str, **columns: Any) -> None:
        who = {"customer": "ada", "bot": "helper", "agent": "mira"}[role]
        columns = {"participant_id": who, "participant_role": role} | columns
        self.add(seconds, "message.created", text=f"{role} at {seconds}", **columns)

    def step(self, seconds: float, name: str, who: str = "mira", **payload: Any) -> None:
        """Add a step of the handoff, by an agent unless `who` is another."""
        role = {"mira": "agent", "ada": "customer", "helper": "bot"}[who]
        person = {"participant_id": who, "participant_role": role}
        self.add(
            seconds, f"handoff.{name}", handoff_id=f"{self._name}-h", payload=payload, **person
        )

    def resolve(self, seconds: float, by: str) -> None:
        self.add(seconds, "conversation.resolved", payload={"resolved_by": by})


def bot_answers_and_resolves(story: Story) -> None:
    story.say(10, "customer")
    story.say(12, "bot")
    story.resolve(60, "bot")


def no_match_and_an_agent_resolves(story: Story) -> None:
    story.say(0, "customer")
    story.say(5, "bot", payload={"nlu": {"is_fallback": True}})
    story.step(20, "requested", "helper", reason="no_match")
    story.step(80, "accepted")
    story.say(100, "agent")
    story.resolve(200, "agent")


def leaves_the_queue(story: Story) -> None:
    story.say(0, "customer")
    story.say(5, "bot")
    story.step(20, "requested", "ada", reason="asked_for_human")
    story.add(320, "participant.left", participant_id="ada", participant_role="customer")


def returned_to_the_bot(story: Story) -> None:
    story.say(0, "customer")
    story.say(5, "bot")
    story.step(20, "requested", "helper")
    story.step(30, "accepted")
    story.say(40, "agent")
    story.step(50, "returned")
    story.say(60, "customer")
    story.say(65, "bot")
    story.resolve(90, "bot")


def goes_silent(story: Story) -> None:
    story.say(0, "customer")
    story.say(5, "bot")


def proactive_without_an_answer(story: Story) -> None:
    story.say(0, "bot")


def reopened_five_days_later(story: Story) -> None:
    story.say(0, "customer")
    story.say(5, "bot")
    story.resolve(60, "bot")
    later = 5 * 86_400
    story.say(later, "customer")
    story.say(later + 5, "bot")
    story.step(later + 10, "requested", "helper", reason="too_hard")
    story.step(later + 30, "accepted")
    story.say(later + 40, "agent")
    story.resolve(later + 90, "agent")


def an_agent_closes_without_a_word(story: Story) -> None:
    story.say(0, "customer")
    story.say(5, "bot")
    story.step(20, "requested", "helper")
    story.step(40, "accepted")
    story.step(60, "closed")
    story.resolve(61, "agent")


STORIES: dict[str, Callable[[Story], None]] = {
    "A": bot_answers_and_resolves,
    "B": no_match_and_an_agent_resolves,
    "C": leaves_the_queue,
    "D": returned_to_the_bot,
    "E": goes_silent,
    "F": goes_silent,  # just now: it is still running
    "G": proactive_without_an_answer,
    "H": reopened_five_days_later,
    "I": an_agent_closes_without_a_word,
}


@pytest.fixture
def told(record: Record, clock: Clock) -> Record:
    """A warehouse with the nine stories, 20 days after they began."""
    now = START + 20 * DAY
    clock.set(now)
    for name, tell in STORIES.items():
        story = Story(name, now - 60 * SECOND if name == "F" else START)
        tell(story)
        record.write(story.events)
    clock.forward(minutes=16)  # imported history waits so long for its next event
    record.run_due()
    record.seal()
    record.load()
    return record


def counted(record: Record, metric: str) -> tuple[int, int]:
    (row,) = record.query(
        "select sum(numerator) as n, sum(denominator) as d "
        f"from metric_daily where metric = '{metric}'"
    )
    return int(row["n"]), int(row["d"])


def episodes(record: Record, condition: str) -> list[str]:
    rows = record.query(
        f"select conversation_id || episode_number as name from episode_outcomes where {condition}"
    )
    return sorted(row["name"] for row in rows)


def test_the_shares_are_those_of_episodes_and_name_the_right_members(told: Record) -> None:
    assert episodes(told, "is_eligible") == ["A1", "B1", "C1", "D1", "E1", "H1", "H2", "I1"]
    assert episodes(told, "is_contained") == ["A1", "E1", "H1"]
    assert episodes(told, "is_bot_resolved") == ["A1", "H1"]
    assert episodes(told, "contained_outcome = 'silent'") == ["E1"]
    assert counted(told, "containment") == (3, 8)
    assert counted(told, "handoff_rate") == (5, 8)
    assert counted(told, "bot_resolution") == (2, 8)
    assert counted(told, "durable_bot_resolution") == (1, 2)
    assert counted(told, "contained_silent") == (1, 3)


def test_the_durations_are_those_of_the_episode(told: Record) -> None:
    found = {
        row["conversation_id"]: (row["wait_seconds"], row["reply_seconds"])
        for row in told.query("select * from handoffs")
    }
    assert found["B"] == (60, 80)
    assert found["C"] == (None, None)
    assert found["I"] == (20, None)
    rows = told.query(
        "select date_diff('second', opened_at, first_handoff_at) as seconds "
        "from episodes where conversation_id = 'H' and episode_number = 2"
    )
    assert rows == [{"seconds": 10}]


def test_who_left_the_queue_and_who_was_not_served_are_two_things(told: Record) -> None:
    assert counted(told, "queue_abandonment") == (1, 5)
    assert counted(told, "unserved_handoffs") == (1, 5)
    (unserved,) = told.query("select * from handoffs where is_unserved")
    assert (unserved["conversation_id"], unserved["end_cause"]) == ("I", "closed")
    (left,) = told.query("select * from handoffs where end_cause = 'customer_left'")
    assert (left["conversation_id"], left["accepted_at"]) == ("C", None)


def test_a_queue_that_was_left_is_deflected_and_not_contained(told: Record) -> None:
    served = episodes(told, "is_served_by_human")
    assert served == ["B1", "D1", "H2", "I1"]
    assert counted(told, "deflection") == (4, 8)


def test_what_runs_and_what_was_never_engaged_is_in_no_rate(told: Record) -> None:
    assert episodes(told, "not is_final") == ["F1"]
    assert episodes(told, "conversation_id = 'G'") == []
    assert counted(told, "engaged_rate") == (8, 9)


def test_a_resolution_after_the_return_to_the_bot_is_no_bot_resolution(told: Record) -> None:
    (row,) = told.query("select * from conversation_facts where conversation_id = 'D'")
    assert (row["resolved_by"], row["bot_resolved_count"], row["handoff_count"]) == ("bot", 0, 1)
    spans = told.query(
        "select * from control_spans where conversation_id = 'D' order by span_number"
    )
    assert [row["owner"] for row in spans][-4:] == ["bot", "queue", "agent", "bot"]
