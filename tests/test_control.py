"""Control and closed conversations: closing also ends handoffs, timers and sessions."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conversation_calls import (
    join,
    post_message,
    read,
    rejected,
    request_handoff,
    run_due_timers,
    send,
    step,
    types,
)
from tests.factories import Clock


def owner(api: TestClient) -> tuple[str, str | None]:
    control: dict[str, Any] = read(api)["control"]
    return control["owner"], control["participant_id"]


def test_closing_ends_the_handoff_and_a_closed_conversation_cannot_be_accepted(
    opened: TestClient,
) -> None:
    handoff = request_handoff(opened)
    send(opened, "POST", "/c1/state", to="closed")
    closed = read(opened, "/c1/events", order="desc")["items"][1]
    assert (closed["event_type"], closed["handoff_id"]) == ("handoff.closed", handoff)
    assert closed["payload"] == {"reason": "conversation_closed"}
    accepted = rejected(
        opened, "POST", f"/c1/handoffs/{handoff}/accept", 409, participant_id="mira"
    )
    asked = rejected(
        opened, "POST", "/c1/handoffs", 409, participant_id="helper", reason="too_hard"
    )
    assert (accepted, asked) == ("conversation_closed", "conversation_closed")
    assert read(opened)["session_id"] is None


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [("POST", "/c1/resolve", "resolved"), ("DELETE", "/c1/participants/ada", "customer_left")],
)
def test_a_handoff_that_waits_ends_with_its_demand_or_its_customer(
    opened: TestClient, method: str, path: str, reason: str
) -> None:
    handoff = request_handoff(opened)
    send(opened, method, path)
    (closed,) = [
        each
        for each in read(opened, "/c1/events")["items"]
        if each["event_type"] == "handoff.closed"
    ]
    assert (closed["handoff_id"], closed["payload"]) == (handoff, {"reason": reason})
    assert read(opened)["handoff"] is None
    assert owner(opened)[0] == "bot"


def test_an_accepted_handoff_continues_after_the_resolution(opened: TestClient) -> None:
    join(opened, "mira")
    handoff = request_handoff(opened)
    step(opened, handoff, "accept", participant_id="mira")
    send(opened, "POST", "/c1/resolve")
    assert read(opened)["handoff"]["handoff_id"] == handoff
    assert owner(opened) == ("human", "mira")


def test_a_handoff_waits_while_a_customer_is_left(opened: TestClient) -> None:
    send(opened, "POST", "/c1/participants", participant_id="bob", participant_role="customer")
    handoff = request_handoff(opened)
    send(opened, "DELETE", "/c1/participants/ada")
    assert read(opened)["handoff"]["handoff_id"] == handoff


def test_closing_takes_control_from_the_agent(opened: TestClient) -> None:
    join(opened, "mira")
    step(opened, request_handoff(opened), "accept", participant_id="mira")
    send(opened, "POST", "/c1/state", to="closed")
    assert (owner(opened), read(opened)["handoff"]) == (("bot", None), None)


@pytest.mark.parametrize(
    "event",
    [
        {"event_type": "conversation.reopened"},
        {"event_type": "handoff.requested", "handoff_id": "h9"},
        {"event_type": "handoff.accepted", "handoff_id": "h9", "participant_id": "mira"},
    ],
    ids=lambda event: event["event_type"],
)
def test_an_event_for_a_closed_conversation_is_stored_as_stale_without_effect(
    opened: TestClient, event: dict[str, Any]
) -> None:
    send(opened, "POST", "/c1/state", to="closed")
    before = read(opened)
    answer = opened.post("/v1/events", json=event | {"conversation_id": "c1"})
    assert answer.status_code == 201
    last = read(opened, "/c1/events", order="desc")["items"][0]
    assert last["payload"]["was_stale"] is True
    after = read(opened)
    for name in ("state", "session_id", "handoff", "control"):
        assert after[name] == before[name]


def test_the_timers_of_a_reopened_conversation_count_from_its_reopening(
    opened: TestClient, clock: Clock
) -> None:
    send(opened, "PATCH", "/c1", inactive_after="PT1H", closed_after="P1D")
    post_message(opened)
    send(opened, "POST", "/c1/resolve")
    clock.forward(hours=23)
    send(opened, "POST", "/c1/reopen")
    clock.forward(minutes=59)
    run_due_timers(opened)
    assert read(opened)["state"] == "active"
    clock.forward(minutes=1)
    run_due_timers(opened)
    assert read(opened)["state"] == "inactive"
    clock.forward(hours=23)
    run_due_timers(opened)
    assert read(opened)["state"] == "closed"


def test_an_internal_note_does_not_reopen_a_conversation(opened: TestClient, clock: Clock) -> None:
    join(opened, "mira")
    send(opened, "PATCH", "/c1", inactive_after="PT1H")
    post_message(opened)
    clock.forward(hours=2)
    run_due_timers(opened)
    post_message(opened, "mira", visibility="internal")
    assert (read(opened)["state"], read(opened)["session_id"]) == ("inactive", None)
    assert types(opened)[-1] == "message.created"


@pytest.mark.parametrize(
    ("name", "who"), [("accept", "ada"), ("accept", "helper"), ("assign", "ada"), ("accept", None)]
)
def test_only_an_agent_takes_a_handoff(opened: TestClient, name: str, who: str | None) -> None:
    handoff = request_handoff(opened)
    assert rejected(opened, "POST", f"/c1/handoffs/{handoff}/{name}", 422, participant_id=who) == (
        "event_rejected"
    )
    assert owner(opened)[0] == "bot"


def test_an_agent_cannot_decline_or_transfer_the_handoff_of_another(opened: TestClient) -> None:
    handoff = request_handoff(opened)
    step(opened, handoff, "assign", participant_id="mira")
    path = f"/c1/handoffs/{handoff}"
    assert rejected(opened, "POST", f"{path}/decline", 409, participant_id="jonas") == (
        "handoff_state"
    )
    step(opened, handoff, "accept", participant_id="mira")
    assert rejected(opened, "POST", f"{path}/transfer", 422, participant_id="ada", queue="vip") == (
        "event_rejected"
    )
    assert owner(opened) == ("human", "mira")


def test_an_expired_transfer_gives_control_back_to_the_bot(
    opened: TestClient, clock: Clock
) -> None:
    handoff = request_handoff(opened)
    step(opened, handoff, "accept", participant_id="mira")
    step(opened, handoff, "transfer", participant_id="mira", queue="vip")
    assert owner(opened) == ("human", "mira")
    clock.forward(days=3)
    run_due_timers(opened)
    assert (owner(opened), read(opened)["handoff"]) == (("bot", None), None)
    epoch = read(opened)["control"]["epoch"]
    post_message(opened, "helper", control_epoch=epoch)
