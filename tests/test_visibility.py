"""Internal messages stay internal in every view of a customer, after any later change."""

import json

import pytest
from fastapi.testclient import TestClient

from ingest.auth.api_keys import create_key
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.conversation_calls import join, post_message, read, rejected, send
from tests.factories import Clock


@pytest.fixture
def note(opened: TestClient) -> str:
    """The id of an internal note of the agent mira, in c1."""
    join(opened, "mira")
    return str(post_message(opened, "mira", "SECRET1", visibility="internal")["message_id"])


def customer_views(api: TestClient) -> str:
    """Return a customer's views of c1 as one JSON text."""
    pages = [read(api, f"/c1/{name}", view="customer") for name in ("events", "messages")]
    return json.dumps(pages)


def test_edits_and_reactions_of_an_internal_note_are_internal(
    opened: TestClient, note: str
) -> None:
    path = f"/c1/messages/{note}"
    send(opened, "PATCH", path, participant_id="mira", text="SECRET2")
    send(opened, "POST", f"{path}/reactions", participant_id="mira", reaction="SECRET3")
    send(opened, "DELETE", path, participant_id="mira", reason="SECRET4")
    assert "SECRET" not in customer_views(opened)


def test_a_parked_edit_of_an_internal_note_is_internal(opened: TestClient) -> None:
    early = {"event_type": "message.edited", "conversation_id": "c1", "message_id": "n1",
             "participant_id": "helper", "text": "SECRET"}  # fmt: skip
    assert opened.post("/v1/events", json=early).status_code == 202
    post_message(opened, "helper", "note", message_id="n1", visibility="internal")
    assert read(opened, "/c1/messages/n1")["text"] == "SECRET"
    assert "SECRET" not in customer_views(opened)


def test_customers_get_404_for_the_page_of_an_internal_note(opened: TestClient, note: str) -> None:
    answer = opened.get(f"/v1/conversations/c1/messages/{note}", params={"view": "customer"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_message")


def test_internal_fields_and_events_are_not_shown_to_customers(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", attributes={"a": "SECRET5"}, labels=["SECRET6"])
    send(opened, "PATCH", "/c1/participants/ada", attributes={"b": "SECRET7"})
    send(opened, "POST", "/c1/handoffs", reason="too_hard", text="SECRET8")
    failed = {"event_type": "bot.turn_failed", "conversation_id": "c1", "participant_id": "helper",
              "visibility": "public", "payload": {"error": "SECRET9"}}  # fmt: skip
    assert opened.post("/v1/events", json=failed).status_code == 201
    assert "SECRET" not in customer_views(opened)


def test_a_deleted_message_is_hidden_from_every_customer_view(opened: TestClient) -> None:
    message = post_message(opened, text="SECRET")["message_id"]
    send(opened, "PATCH", f"/c1/messages/{message}", text="SECRET too")
    send(opened, "DELETE", f"/c1/messages/{message}")
    assert "SECRET" not in customer_views(opened)


def test_two_messages_never_share_an_id(opened: TestClient) -> None:
    post_message(opened, message_id="mm")
    assert rejected(opened, "POST", "/c1/messages", 409, participant_id="ada", text="x",
                   message_id="mm") == "message_exists"  # fmt: skip
    assert len(read(opened, "/c1/messages")["items"]) == 1


def test_the_same_event_id_of_another_source_gets_another_message_id(
    opened: TestClient, settings: Settings, clock: Clock
) -> None:
    theirs = {
        "authorization": f"Bearer {create_key(open_engine(settings.database_url), 'other', clock())}"
    }
    body = {"participant_id": "ada", "text": "x", "event_id": "e1"}
    ours = opened.post("/v1/conversations/c1/messages", json=body)
    other = opened.post("/v1/conversations/c1/messages", json=body, headers=theirs)
    assert (ours.status_code, other.status_code) == (201, 201)
    assert ours.json()["message_id"] != other.json()["message_id"]
    again = opened.post("/v1/conversations/c1/messages", json=body, headers=theirs)
    assert (again.json()["status"], again.json()["message_id"]) == (
        "duplicate",
        other.json()["message_id"],
    )
