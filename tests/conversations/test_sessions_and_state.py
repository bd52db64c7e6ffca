"""Sessions end when they are due, and a conversation becomes inactive, closed, reopened."""

from collections import Counter

from fastapi.testclient import TestClient

from tests.conversation_calls import (
    micros,
    post_message,
    read,
    rejected,
    run_due_timers,
    send,
    types,
)
from tests.factories import MINUTE, Clock, make_event


def test_a_session_ends_automatically_at_the_time_it_was_due(
    opened: TestClient, clock: Clock
) -> None:
    post_message(opened)
    last = clock()
    clock.forward(days=2)  # no process was running
    run_due_timers(opened)
    run_due_timers(opened)
    assert types(opened)[-2:] == ["message.created", "session.ended"]
    ended = read(opened, "/c1/events", order="desc")["items"][0]
    assert ended["payload"] == {"reason": "timeout"}
    assert micros(ended["happened_at"]) == last + 30 * MINUTE
    assert read(opened)["session_id"] is None


def test_an_imported_session_ends_at_its_next_event_or_after_the_import(
    opened: TestClient, clock: Clock
) -> None:
    def imported(event_id: str, happened_at: str) -> None:
        event = make_event(event_id=event_id, happened_at=happened_at, participant_role="customer")
        created = {"conversation_id": "old", "channel": "web", "happened_at": happened_at}
        events = [{"event_type": "conversation.created", "event_id": "old"} | created]
        body = [*(events if event_id == "e1" else []), event | {"conversation_id": "old"}]
        assert opened.post("/v1/events", json=body).status_code == 200

    imported("e1", "2029-03-01T10:00:00Z")
    clock.forward(minutes=14)
    run_due_timers(opened)
    imported("e2", "2029-03-01T10:29:00Z")  # the same session, from the next file
    assert types(opened, "old").count("session.started") == 1
    clock.forward(minutes=14)
    run_due_timers(opened)
    assert "session.ended" not in types(opened, "old")
    clock.forward(minutes=1)
    run_due_timers(opened)
    ended = read(opened, "/old/events", order="desc")["items"][0]
    assert (ended["event_type"], ended["happened_at"]) == ("session.ended", "2029-03-01T10:59:00Z")


def test_a_receipt_neither_extends_nor_starts_a_session(opened: TestClient, clock: Clock) -> None:
    message = post_message(opened)["message_id"]
    for _ in range(4):
        clock.forward(minutes=20)
        send(opened, "POST", f"/c1/messages/{message}/receipts", status="read")
    assert Counter(types(opened))["session.ended"] == 1
    assert Counter(types(opened))["session.started"] == 1


def test_after_an_explicit_session_end_the_next_message_starts_a_session(
    opened: TestClient,
) -> None:
    first = post_message(opened)["session_id"]
    send(opened, "POST", "/c1/session/end")
    assert rejected(opened, "POST", "/c1/session/end", 422) == "event_rejected"
    second = post_message(opened)["session_id"]
    assert first != second
    started = [
        e for e in read(opened, "/c1/events")["items"] if e["event_type"] == "session.started"
    ]
    assert [(e["payload"]["number"], e["payload"]["rule_version"]) for e in started] == [
        (1, 2),
        (2, 2),
    ]


def test_a_conversation_becomes_inactive_and_is_closed_when_due(
    opened: TestClient, clock: Clock
) -> None:
    send(opened, "PATCH", "/c1", inactive_after="PT1H", closed_after="PT3H")
    post_message(opened)
    clock.forward(hours=1)
    run_due_timers(opened)
    assert read(opened)["state"] == "inactive"
    post_message(opened)
    assert read(opened)["state"] == "active"
    clock.forward(days=1)
    run_due_timers(opened)
    assert read(opened)["state"] == "closed"
    changes = [e["payload"] for e in read(opened, "/c1/events", limit=100)["items"]
               if e["event_type"] == "conversation.state_changed"]  # fmt: skip
    assert changes == [
        {"from": "active", "to": "inactive", "reason": "timer"},
        {"from": "inactive", "to": "active", "reason": "message"},
        {"from": "active", "to": "inactive", "reason": "timer"},
        {"from": "inactive", "to": "closed", "reason": "timer"},
    ]


def test_a_customer_message_after_the_close_opens_a_linked_successor(
    opened: TestClient,
) -> None:
    send(opened, "POST", "/c1/state", to="closed", reason="done")
    assert rejected(opened, "PATCH", "/c1", 409, subject="x") == "conversation_closed"
    code = rejected(
        opened, "POST", "/c1/messages", 409, participant_id="helper", text="x", control_epoch=1
    )
    assert code == "conversation_closed"
    answer = post_message(opened, text="one more thing")
    successor = answer["conversation_id"]
    assert successor != "c1"
    assert post_message(opened, text="and another")["conversation_id"] == successor
    assert types(opened, successor) == [
        "conversation.created", "session.started", "message.created", "message.created",
    ]  # fmt: skip
    found = read(opened, f"/{successor}")
    assert found["predecessor_id"] == "c1"
    assert read(opened)["successor_id"] == successor
    assert [p["participant_id"] for p in found["participants"]] == ["ada", "helper"]


def test_a_customer_message_reopens_a_resolved_conversation_and_records_it(
    opened: TestClient,
) -> None:
    send(opened, "POST", "/c1/resolve", resolved_by="bot", is_confirmed=True)
    assert read(opened)["state"] == "resolved"
    last = read(opened, "/c1/events", order="desc")["items"][0]
    assert last["payload"] == {"resolved_by": "bot", "is_confirmed": True, "from": "active"}
    post_message(opened)
    assert read(opened)["state"] == "active"
    assert types(opened)[-2:] == ["message.created", "conversation.reopened"]
