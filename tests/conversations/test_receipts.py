"""Receipts, read marks, typing, and projections that can be rebuilt."""

from collections import Counter
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.conversation_calls import (
    join,
    post_message,
    read,
    request_handoff,
    send,
    step,
    types,
)
from tests.factories import Clock


def test_a_receipt_has_its_highest_rank_in_any_order_of_arrival(
    opened: TestClient,
) -> None:
    message = post_message(opened, "helper", control_epoch=1)["message_id"]
    for status in ("read", "submitted", "delivered", "failed"):
        send(
            opened, "POST", f"/c1/messages/{message}/receipts", participant_id="ada", status=status
        )
    (receipt,) = read(opened, f"/c1/messages/{message}")["receipts"]
    assert (receipt["status"], receipt["participant_id"]) == ("read", "ada")
    assert Counter(types(opened))["message.submitted"] == 1


def test_failed_is_final_for_its_attempt_and_keeps_the_error_code(opened: TestClient) -> None:
    message = post_message(opened, "helper", control_epoch=1)["message_id"]
    path = f"/c1/messages/{message}"
    for body in (
        {"status": "failed", "error_code": "131047"},
        {"status": "delivered"},
        {"status": "submitted", "attempt": 2},
    ):
        send(opened, "POST", f"{path}/receipts", **body)
        found = read(opened, path)["receipts"][0]
        if body["status"] != "submitted":
            assert (found["status"], found["error_code"]) == ("failed", "131047")
    assert (found["status"], found["attempt"]) == ("submitted", 2)


def unread(api: TestClient) -> dict[str, int]:
    return {p["participant_id"]: p["unread_count"] for p in read(api, "/c1/participants")["items"]}


def test_the_read_horizon_never_falls_and_unread_counts_messages_of_others(
    opened: TestClient,
) -> None:
    for number in range(3):
        last = post_message(opened, text=str(number))["sequence"]
    post_message(opened, "helper", "a note", visibility="internal", control_epoch=1)
    assert unread(opened) == {"ada": 0, "helper": 3}
    send(opened, "POST", "/c1/participants/helper/read", sequence=last)
    send(opened, "POST", "/c1/participants/helper/read", sequence=1)
    assert unread(opened)["helper"] == 0
    send(opened, "POST", "/c1/participants/helper/unread", sequence=last)
    assert unread(opened)["helper"] == 1
    person = next(p for p in read(opened)["participants"] if p["participant_id"] == "helper")
    assert person["read_sequence"] == last


def test_a_participant_who_leaves_and_joins_again_keeps_the_read_horizon(
    opened: TestClient,
) -> None:
    mira: dict[str, Any] = {"participant_id": "mira", "participant_role": "agent"}
    send(opened, "POST", "/c1/participants", **mira)
    last = post_message(opened, text="before")["sequence"]
    send(opened, "POST", "/c1/participants/mira/read", sequence=last)
    send(opened, "DELETE", "/c1/participants/mira")
    post_message(opened, text="while she was away")
    send(opened, "POST", "/c1/participants", **mira)
    assert unread(opened)["mira"] == 1
    person = next(p for p in read(opened)["participants"] if p["participant_id"] == "mira")
    assert person["read_sequence"] == last


def test_an_older_horizon_does_not_undo_a_mark_as_unread(opened: TestClient) -> None:
    for _ in range(3):
        post_message(opened, "helper", control_epoch=1)
    last = read(opened)["last_sequence"]
    send(opened, "POST", "/c1/participants/ada/read", sequence=last)
    send(opened, "POST", "/c1/participants/ada/unread", sequence=last)
    send(opened, "POST", "/c1/participants/ada/read", sequence=1)
    assert unread(opened)["ada"] == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/c1/participants/ada/unread", {"sequence": 2**70}),
        ("/c1/participants/ada/read", {"sequence": 2**70}),
        (
            "/c1/messages",
            {
                "participant_id": "ada",
                "attachments": [
                    {"url": "https://a.example/b", "content_type": "image/png", "size": 2**70}
                ],
            },
        ),
        ("/c1/messages", {"participant_id": "helper", "text": "x", "control_epoch": 2**70}),
    ],
)
def test_a_number_too_large_for_the_store_is_rejected(
    opened: TestClient, path: str, body: dict[str, Any]
) -> None:
    assert opened.post(f"/v1/conversations{path}", json=body).status_code == 422
    assert post_message(opened)["status"] == "accepted"


def test_a_receipt_for_an_impossible_message_is_not_parked(opened: TestClient) -> None:
    path = "/v1/conversations/c1/messages/2%F3%9E%BC%9F/receipts"
    body = {"status": "delivered", "participant_id": "ada"}
    assert opened.post(path, json=body).status_code == 422


def test_a_receipt_by_its_own_route_may_arrive_before_its_message(opened: TestClient) -> None:
    send(opened, "POST", "/c1/messages/m7/receipts", 202, participant_id="ada", status="read")
    post_message(opened, "helper", message_id="m7", control_epoch=1)
    assert read(opened, "/c1/messages/m7")["receipts"][0]["status"] == "read"


def test_an_edit_without_a_text_is_rejected(opened: TestClient) -> None:
    post_message(opened, message_id="m1")
    edit = {"event_type": "message.edited", "conversation_id": "c1", "message_id": "m1"}
    assert opened.post("/v1/events", json=edit).status_code == 422
    assert read(opened, "/c1/messages/m1")["text"] == "hello"


def test_typing_lists_every_participant_expires_and_is_not_stored(
    opened: TestClient, clock: Clock
) -> None:
    before = types(opened)
    for who, seconds in (("ada", 5), ("helper", 30)):
        opened.put(f"/v1/conversations/c1/typing/{who}", json={"seconds": seconds})
    typing = read(opened, "/c1/typing")["items"]
    assert [each["participant_id"] for each in typing] == ["ada", "helper"]
    clock.forward(seconds=6)
    assert [e["participant_id"] for e in read(opened, "/c1/typing")["items"]] == ["helper"]
    opened.delete("/v1/conversations/c1/typing/helper")
    assert read(opened, "/c1/typing")["items"] == []
    assert opened.put("/v1/conversations/c1/typing/ada", json={"seconds": 31}).status_code == 422
    assert opened.put("/v1/conversations/c1/typing/bob", json={}).status_code == 404
    assert types(opened) == before


def test_rebuilt_projections_are_the_same(opened: TestClient, settings: Settings) -> None:
    from ingest.events.timers import LifecyclePolicy
    from ingest.log.rebuild import rebuild_projections
    from ingest.log.storage.store import Store

    join(opened, "mira")
    handoff = request_handoff(opened)
    step(opened, handoff, "accept", participant_id="mira")
    message = post_message(opened)["message_id"]
    send(opened, "POST", f"/c1/messages/{message}/receipts", participant_id="mira", status="read")
    send(opened, "POST", "//contacts", contact_id="ada", attributes={"name": "Ada"})
    before = read(opened), read(opened, "/c1/messages"), read(opened, "//contacts/ada")
    engine = open_engine(settings.database_url)
    store = Store(engine)
    rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    store.close()
    engine.dispose()
    assert (read(opened), read(opened, "/c1/messages"), read(opened, "//contacts/ada")) == before
