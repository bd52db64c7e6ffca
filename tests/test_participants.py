"""Participants in pages, with unread counts, also in a conversation with thousands of members."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.events import decide
from ingest.log.state_cache import MIN_PARTICIPANTS
from tests.conversation_calls import post_message, read, rejected, send


def join_many(api: TestClient, count: int) -> None:
    facts = [
        {
            "event_type": "participant.joined",
            "conversation_id": "c1",
            "participant_id": f"p{number:05}",
            "participant_role": "customer",
        }
        for number in range(count)
    ]
    assert api.post("/v1/events", json=facts).json()["accepted"] == count


def pages(api: TestClient, limit: int) -> list[list[str]]:
    found: list[list[str]] = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = read(api, "/c1/participants", **params)
        found.append([each["participant_id"] for each in page["items"]])
        assert page["has_more"] == (page["cursor"] is not None)
        if not page["has_more"]:
            return found
        params["cursor"] = page["cursor"]


def test_every_participant_is_on_one_page_in_the_order_of_joining(opened: TestClient) -> None:
    join_many(opened, 250)
    found = pages(opened, 100)
    assert [len(page) for page in found] == [100, 100, 52]
    assert [each for page in found for each in page] == [
        "ada",
        "helper",
        *(f"p{number:05}" for number in range(250)),
    ]


def test_a_participant_who_leaves_does_not_move_the_page_of_another(opened: TestClient) -> None:
    join_many(opened, 5)
    first = read(opened, "/c1/participants", limit=3)
    for each in first["items"]:
        send(opened, "DELETE", f"/c1/participants/{each['participant_id']}")
    rest = read(opened, "/c1/participants", limit=10, cursor=first["cursor"])["items"]
    assert [each["participant_id"] for each in rest] == [f"p{number:05}" for number in range(1, 5)]


def test_a_conversation_shows_its_first_hundred_participants_and_their_number(
    opened: TestClient,
) -> None:
    join_many(opened, 200)
    found = read(opened)
    assert (len(found["participants"]), found["participant_count"]) == (100, 202)


def test_a_participant_beyond_the_maximum_is_rejected(
    opened: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "MAX_PARTICIPANTS", 3)
    body: Any = {"participant_role": "customer"}
    send(opened, "POST", "/c1/participants", participant_id="eve", **body)
    problem = send(opened, "POST", "/c1/participants", 422, participant_id="bob", **body)
    assert "at most 3 participants" in problem["detail"]
    post_message(opened)  # existing members still write


def test_unread_counts_leave_out_own_internal_and_deleted_messages(opened: TestClient) -> None:
    send(opened, "POST", "/c1/participants", participant_id="mira", participant_role="agent")
    post_message(opened, message_id="m1")
    post_message(opened, "mira", visibility="internal")
    post_message(opened, "mira", message_id="m2")
    send(opened, "DELETE", "/c1/messages/m1")
    items = read(opened, "/c1/participants")["items"]
    unread = {each["participant_id"]: each["unread_count"] for each in items}
    assert unread == {"ada": 1, "helper": 2, "mira": 0}
    assert rejected(opened, "GET", "/c1/participants?cursor=x", 422) == "invalid_request"


def test_a_page_of_a_large_conversation_shows_the_newest_change(opened: TestClient) -> None:
    join_many(opened, MIN_PARTICIPANTS)
    for name in ("Ada", "Ada L."):
        send(opened, "PATCH", "/c1/participants/ada", attributes={"name": name})
        page = read(opened, "/c1/participants", limit=1)
        assert page["items"][0]["attributes"] == {"name": name}
    send(opened, "DELETE", "/c1/participants/ada")
    assert read(opened, "/c1/participants", limit=1)["items"][0]["participant_id"] == "helper"
