"""A closed conversation is final: its key is free, its successor inherits, and it takes no participants."""

from typing import Any

from fastapi.testclient import TestClient

from tests.conversation_calls import join, post_message, read, rejected, send

FIELDS: dict[str, Any] = {
    "conversation_key": "order-7",
    "labels": ["delivery"],
    "priority": "high",
    "attributes": {"order": 7},
    "inactive_after": "PT1H",
    "closed_after": "P3D",
    "hand_off_on_bot_failure": True,
}


def close(api: TestClient, conversation_id: str = "c1") -> None:
    send(api, "POST", f"/{conversation_id}/state", to="closed")


def test_the_successor_inherits_the_fields_and_the_key(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", subject="Order 7", **FIELDS)
    close(opened)
    successor = read(opened, f"/{post_message(opened)['conversation_id']}")
    assert {name: successor[name] for name in FIELDS} == FIELDS
    assert successor["subject"] is None, "a subject is that of one demand"
    listed = read(opened, "", conversation_key="order-7")["items"]
    assert [each["state"] for each in listed] == ["active", "closed"]


def test_the_key_of_a_closed_conversation_is_free(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", conversation_key="order-7")
    close(opened)
    send(opened, "POST", "", conversation_id="c2", channel="web", conversation_key="order-7")
    successor = read(opened, f"/{post_message(opened)['conversation_id']}")
    assert successor["conversation_key"] is None, "c2 has it now"


def test_a_conflict_of_keys_names_the_other_conversation(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", conversation_key="order-7")
    problem = send(opened, "POST", "", 409, channel="web", conversation_key="order-7")
    assert (problem["code"], problem["conversation_id"]) == ("conversation_exists", "c1")
    again = send(opened, "POST", "", 409, channel="web", conversation_id="c1")
    assert (again["code"], again["conversation_id"]) == ("conversation_exists", "c1")


def test_a_batch_may_close_a_conversation_and_use_its_key_again(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", conversation_key="order-7")
    batch = [
        {
            "event_type": "conversation.state_changed",
            "conversation_id": "c1",
            "payload": {"to": "closed"},
        },
        {"event_type": "message.created", "conversation_id": "c1", "participant_id": "ada", "text": "again"},
        {
            "event_type": "conversation.created",
            "conversation_id": "c3",
            "channel": "web",
            "payload": {"conversation_key": "order-7"},
        },
    ]  # fmt: skip
    results = opened.post("/v1/events", json=batch).json()["results"]
    assert [each["status"] for each in results] == ["accepted", "accepted", "rejected"]
    successor = results[1]["conversation_id"]
    assert results[2]["error"]["conversation_id"] == successor
    assert read(opened, f"/{successor}")["conversation_key"] == "order-7"


def test_a_closed_conversation_takes_no_participants(opened: TestClient) -> None:
    close(opened)
    body = {"participant_id": "mira", "participant_role": "agent"}
    assert rejected(opened, "POST", "/c1/participants", 409, **body) == "conversation_closed"


def test_a_role_does_not_change_by_joining_again(opened: TestClient) -> None:
    join(opened, "mira")
    join(opened, "mira")
    body = {"participant_id": "mira", "participant_role": "customer"}
    assert rejected(opened, "POST", "/c1/participants", 409, **body) == "role_conflict"
    fact = {"event_type": "participant.joined", "conversation_id": "c1", **body}
    assert opened.post("/v1/events", json=fact).status_code == 201
    roles = {
        each["participant_id"]: each["participant_role"] for each in read(opened)["participants"]
    }
    assert roles == {"ada": "customer", "helper": "bot", "mira": "agent"}
