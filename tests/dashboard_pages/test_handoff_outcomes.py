"""An outcome means the same in the funnel and in the filter of the list, also when the server ends a handoff."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from dashboards.conversations.data import load_conversations
from dashboards.filter_state import Period, Scope, Search
from dashboards.handoffs.data import load_handoffs
from tests.factories import Clock, Record, make_conversation, make_event

SCOPE = Scope(Period(date(2030, 1, 1), date(2030, 1, 10)))
CUSTOMER = {"participant_id": "ada", "participant_role": "customer"}
AGENT = {"participant_id": "mira", "participant_role": "agent"}
STEPS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "accepted": [("handoff.accepted", AGENT)],
    "passed-on": [("handoff.accepted", AGENT), ("handoff.transferred", AGENT)],
    "left": [("participant.left", CUSTOMER)],
    "resolved": [("conversation.resolved", {**AGENT, "payload": {"resolved_by": "agent"}})],
    "closed": [("handoff.closed", AGENT)],
    "conversation-closed": [("conversation.state_changed", {"payload": {"to": "closed"}})],
    "returned": [("handoff.returned", {})],
    "expired": [],
    "asked-again": [("handoff.requested", {"handoff_id": "second"})],
}
LATER: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "waiting": [],
    "declined": [("handoff.assigned", AGENT), ("handoff.declined", AGENT)],
}
EXPECTED = {
    "accepted": {"accepted", "passed-on"},
    "abandoned": {"left"},
    "cancelled": {"resolved", "closed", "conversation-closed", "returned"},
    "expired": {"expired", "asked-again"},
    "superseded": {"asked-again"},
    "waiting": {"waiting"},
    "declined": {"declined"},
}


def told(stories: dict[str, list[tuple[str, dict[str, Any]]]]) -> Iterator[dict[str, Any]]:
    """Yield a conversation for each story, with a handoff and the steps after it."""
    for name, steps in stories.items():
        yield from make_conversation(name)
        for event_type, more in [("handoff.requested", {}), *steps]:
            of_handoff = {"handoff_id": "first"} if event_type.startswith("handoff.") else {}
            yield make_event(event_type, conversation_id=name, **of_handoff | more)


@pytest.fixture
def ended(record: Record, clock: Clock) -> Record:
    """Handoffs of each outcome, after the server let those expire that it still held open."""
    record.write(told(STEPS))
    clock.forward(days=4)
    record.run_due()
    record.publish(told(LATER))
    return record


def test_the_filter_by_an_outcome_finds_the_handoffs_that_the_funnel_counts(ended: Record) -> None:
    warehouse = ended.settings.warehouse_path
    funnel = load_handoffs(warehouse, SCOPE, SCOPE.period).funnel
    listed = {
        outcome: load_conversations(warehouse, SCOPE, Search(outcome=outcome), 1).rows
        for outcome in EXPECTED
    }
    assert {name: set(rows["conversation_id"]) for name, rows in listed.items()} == EXPECTED
    counted = {name: funnel[name] for name in EXPECTED if name in funnel}
    assert counted == {name: len(EXPECTED[name]) for name in counted}
    assert set(counted) == {"accepted", "abandoned", "expired", "cancelled"}


def test_a_handoff_that_the_customer_left_ends_at_once_and_is_abandoned(ended: Record) -> None:
    closed = ended.query(
        "select conversation_id, payload ->> '$.reason' as reason from events "
        "where event_type = 'handoff.closed' and participant_id is null"
    )
    assert {(row["conversation_id"], row["reason"]) for row in closed} >= {
        ("left", "customer_left"),
        ("resolved", "resolved"),
    }
    rows = ended.query("select conversation_id, outcome, end_cause from handoffs")
    found = {row["conversation_id"]: (row["outcome"], row["end_cause"]) for row in rows}
    assert found["left"] == ("abandoned", "customer_left")
    assert found["resolved"] == ("cancelled", "resolved")
    assert found["closed"] == ("cancelled", "closed")
