"""Handoffs, and who controls a conversation."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient

from tests.conversation_calls import (
    join,
    micros,
    post_message,
    read,
    rejected,
    request_handoff,
    run_due_timers,
    send,
    step,
    types,
)
from tests.factories import MINUTE, Clock


def test_a_bot_with_a_stale_epoch_cannot_post_under_human_control(opened: TestClient) -> None:
    join(opened, "mira")
    assert read(opened)["control"] == {"owner": "bot", "participant_id": None, "epoch": 1}
    handoff = request_handoff(opened)
    post_message(opened, "helper", "one moment", control_epoch=1)
    step(opened, handoff, "accept", participant_id="mira")
    assert read(opened)["control"] == {"owner": "human", "participant_id": "mira", "epoch": 2}
    late = {"participant_id": "helper", "text": "too late", "control_epoch": 1}
    assert rejected(opened, "POST", "/c1/messages", 409, **late) == "stale_epoch"
    assert opened.get("/v1/rejected").json()["items"][0]["code"] == "stale_epoch"
    fact = {"event_type": "message.created", "conversation_id": "c1",
            "participant_id": "helper", "text": "was said anyway"}  # fmt: skip
    opened.post("/v1/events", json=fact)
    assert read(opened, "/c1/messages")["items"][-1]["payload"] == {"was_stale": True}
    step(opened, handoff, "return", participant_id="mira")
    assert rejected(opened, "POST", "/c1/messages", 409, **late) == "stale_epoch"
    post_message(opened, "helper", "here again", control_epoch=3)


def test_a_bot_message_without_an_epoch_is_rejected(opened: TestClient) -> None:
    problem = send(opened, "POST", "/c1/messages", 422, participant_id="helper", text="x")
    assert problem["field"] == "$.control_epoch"


def test_one_of_two_concurrent_accepts_wins(opened: TestClient) -> None:
    join(opened, "mira", "jonas")
    handoff = request_handoff(opened)
    url = f"/v1/conversations/c1/handoffs/{handoff}/accept"
    with ThreadPoolExecutor(2) as pool:
        sent = [
            pool.submit(opened.post, url, json={"participant_id": who}) for who in ("mira", "jonas")
        ]
        statuses = sorted(each.result().status_code for each in sent)
    assert statuses == [201, 409]
    assert Counter(types(opened))["handoff.accepted"] == 1
    assert read(opened)["control"]["epoch"] == 2


def test_a_handoff_is_queued_offered_declined_transferred_and_closed(opened: TestClient) -> None:
    join(opened, "mira", "jonas")
    handoff = request_handoff(opened)
    assert rejected(opened, "POST", "/c1/handoffs", 409, reason="again") == "handoff_state"
    step(opened, handoff, "queue", queue="orders")
    step(opened, handoff, "assign", participant_id="mira")
    assert step(opened, handoff, "accept", 409, participant_id="jonas")["code"] == "handoff_state"
    step(opened, handoff, "decline", participant_id="mira")
    assert read(opened)["handoff"]["status"] == "queued"
    step(opened, handoff, "accept", participant_id="jonas")
    step(opened, handoff, "transfer", participant_id="jonas", to_participant_id="mira")
    assert read(opened)["handoff"]["participant_id"] == "mira"
    step(opened, handoff, "accept", participant_id="mira")
    assert read(opened)["control"]["participant_id"] == "mira"
    step(opened, handoff, "close", participant_id="mira")
    found = read(opened)
    assert (found["handoff"], found["control"]["owner"]) == (None, "bot")
    assert step(opened, handoff, "accept", 409, participant_id="mira")["code"] == "handoff_state"


def test_an_unaccepted_handoff_expires_when_due(opened: TestClient, clock: Clock) -> None:
    requested_at = clock()
    request_handoff(opened)
    clock.forward(days=5)
    run_due_timers(opened)
    expired = next(
        e for e in read(opened, "/c1/events")["items"] if e["event_type"] == "handoff.expired"
    )
    assert micros(expired["happened_at"]) == requested_at + 3 * 24 * 60 * MINUTE
    assert read(opened)["control"]["owner"] == "bot"


def test_a_failed_bot_turn_requests_a_human_if_the_conversation_says_so(
    opened: TestClient,
) -> None:
    failed = {"event_type": "bot.turn_failed", "conversation_id": "c1", "participant_id": "helper"}
    opened.post("/v1/events", json=failed)
    assert read(opened)["handoff"] is None
    send(opened, "PATCH", "/c1", hand_off_on_bot_failure=True)
    opened.post("/v1/events", json=failed)
    assert read(opened)["handoff"]["reason"] == "bot_failed"


def test_only_the_server_sets_a_successor(opened: TestClient) -> None:
    for successor in ("c1", "none"):
        event = {"event_type": "conversation.updated", "conversation_id": "c1",
                 "payload": {"successor_id": successor, "predecessor_id": successor}}  # fmt: skip
        assert opened.post("/v1/events", json=event).status_code == 201
    assert rejected(opened, "PATCH", "/c1", 422, successor_id="c1") == "invalid_request"
    send(opened, "POST", "/c1/state", to="closed")
    continued = post_message(opened)["conversation_id"]
    assert continued not in ("c1", "none")
    assert read(opened)["successor_id"] == continued
    assert read(opened)["predecessor_id"] is None


def test_an_agent_may_accept_a_handoff_without_joining_first(opened: TestClient) -> None:
    handoff = request_handoff(opened)
    step(opened, handoff, "assign", participant_id="tom")
    step(opened, handoff, "decline", participant_id="tom")
    step(opened, handoff, "accept", participant_id="mira")
    people = {each["participant_id"]: each for each in read(opened)["participants"]}
    assert "tom" not in people
    assert people["mira"]["participant_role"] == "agent"
    assert read(opened)["control"]["participant_id"] == "mira"
