"""Conversations, participants, contacts and messages: created, changed, listed."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conversation_calls import post_message, read, rejected, send, types

Call = Callable[..., Any]


def test_a_conversation_keeps_its_attributes_and_is_found_by_its_key(api: TestClient) -> None:
    given: dict[str, Any] = {
        "conversation_key": "order-7",
        "subject": "Order 7",
        "attributes": {"order": 7},
        "labels": ["delivery"],
        "priority": "high",
        "inactive_after": "PT1H",
        "closed_after": "P3D",
    }
    send(api, "POST", "", conversation_id="c1", channel="web", **given)
    found = read(api)
    assert {name: found[name] for name in given} == given
    listed = read(api, "", conversation_key="order-7")["items"]
    assert [each["conversation_id"] for each in listed] == ["c1"]
    code = rejected(api, "POST", "", 409, channel="web", conversation_key="order-7")
    assert code == "conversation_exists"


def test_an_update_is_merged_and_records_the_previous_values(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", attributes={"order": 7, "vip": True})
    send(opened, "PATCH", "/c1", attributes={"vip": None}, subject="Order 7")
    found = read(opened)
    assert (found["attributes"], found["subject"]) == ({"order": 7}, "Order 7")
    last = read(opened, "/c1/events", order="desc")["items"][0]
    assert last["payload"]["before"] == {
        "subject": None,
        "attributes": {"order": 7, "vip": True},
    }


def test_the_second_of_two_concurrent_updates_gets_412(opened: TestClient) -> None:
    etag = opened.get("/v1/conversations/c1").headers["etag"]
    send(opened, "PATCH", "/c1", headers={"if-match": etag}, subject="first")
    lost = send(opened, "PATCH", "/c1", 412, headers={"if-match": etag}, subject="second")
    assert lost["code"] == "version_mismatch"
    assert read(opened)["subject"] == "first"
    post_message(opened)  # a message does not change the ETag
    etag = opened.get("/v1/conversations/c1").headers["etag"]
    send(opened, "PATCH", "/c1", headers={"if-match": etag}, subject="third")
    bad = send(opened, "PATCH", "/c1", 422, headers={"if-match": "x"}, subject="fourth")
    assert bad["field"] == "If-Match"
    send(opened, "PATCH", "/c1", 422, headers={"if-match": ""}, subject="fifth")


def test_a_participant_update_changes_the_etag_of_the_conversation(opened: TestClient) -> None:
    etag = {"if-match": opened.get("/v1/conversations/c1").headers["etag"]}
    send(opened, "PATCH", "/c1/participants/ada", headers=etag, attributes={"name": "Ada"})
    send(opened, "PATCH", "/c1/participants/ada", 412, headers=etag, attributes={"name": "Eve"})
    send(opened, "PATCH", "/c1", 412, headers=etag, subject="Order 7")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": "someday"}, "$.priority"),
        ({"inactive_after": "PT30S"}, "$.payload.inactive_after"),
        ({"closed_after": "1 day"}, "$.payload.closed_after"),
        ({"labels": [""]}, "$.labels[0]"),
        ({"unknown": 1}, "$.unknown"),
    ],
)
def test_an_invalid_update_is_rejected_with_its_place(
    opened: TestClient, body: dict[str, Any], field: str
) -> None:
    assert send(opened, "PATCH", "/c1", 422, **body)["field"] == field


def test_participants_join_change_and_leave(opened: TestClient) -> None:
    send(opened, "POST", "/c1/participants", participant_id="mira", participant_role="agent")
    send(opened, "PATCH", "/c1/participants/mira", attributes={"name": "Mira"})
    people = {each["participant_id"]: each for each in read(opened, "/c1/participants")["items"]}
    assert people["mira"]["attributes"] == {"name": "Mira"}
    send(opened, "DELETE", "/c1/participants/mira")
    assert "mira" not in {p["participant_id"] for p in read(opened)["participants"]}
    assert rejected(opened, "DELETE", "/c1/participants/mira", 404) == "unknown_participant"
    send(opened, "DELETE", "/c1/participants/ada")
    assert types(opened)[-2:] == ["participant.left", "session.ended"]


def test_contacts_are_created_updated_and_linked(api: TestClient) -> None:
    send(api, "POST", "//contacts", contact_id="ada", attributes={"name": "Ada"})
    assert rejected(api, "POST", "//contacts", 409, contact_id="ada") == "contact_exists"
    send(api, "PATCH", "//contacts/ada", attributes={"language": "en"})
    send(api, "POST", "//contacts/ada/addresses", channel="email", address="ada@example.org")
    found = read(api, "//contacts/ada")
    assert found["attributes"] == {"name": "Ada", "language": "en"}
    assert found["addresses"] == [
        {"kind": "email", "address": "ada@example.org", "scope": "", "channel": "email"}
    ]
    assert rejected(api, "PATCH", "//contacts/bob", 404, attributes={}) == "unknown_contact"
    etag = {"if-match": '"1"'}
    assert send(api, "PATCH", "//contacts/ada", 412, headers=etag, attributes={})


def test_one_of_ten_concurrent_contact_updates_wins(api: TestClient) -> None:
    send(api, "POST", "//contacts", contact_id="ada")
    etag = {"if-match": api.get("/v1/contacts/ada").headers["etag"]}

    def edit(number: int) -> int:
        body = {"attributes": {"number": number}}
        return api.patch("/v1/contacts/ada", json=body, headers=etag).status_code

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(edit, range(10))) == {201: 1, 412: 9}


def test_messages_have_attachments_and_choices(opened: TestClient) -> None:
    picture = {"url": "https://x.example/a.png", "content_type": "image/png", "size": 7}
    post_message(opened, attachments=[picture], quick_replies=[{"title": "Yes"}])
    found = read(opened, "/c1/messages")["items"][0]["payload"]
    assert found == {"attachments": [picture], "quick_replies": [{"title": "Yes"}]}
    bad = [{"url": "javascript:alert(1)", "content_type": "x"}]
    assert rejected(opened, "POST", "/c1/messages", 422, participant_id="ada", attachments=bad)


def test_a_message_has_its_last_edit_and_a_deleted_one_keeps_its_place(
    opened: TestClient,
) -> None:
    first, second = (
        post_message(opened, text="one")["message_id"],
        post_message(opened, text="two")["message_id"],
    )
    send(opened, "PATCH", f"/c1/messages/{first}", text="ONE")
    send(opened, "POST", f"/c1/messages/{first}/reactions", participant_id="helper", reaction="👍")
    send(opened, "DELETE", f"/c1/messages/{second}", reason="wrong chat")
    one, two = read(opened, "/c1/messages")["items"]
    assert (one["text"], one["is_edited"]) == ("ONE", True)
    assert one["reactions"] == [{"participant_id": "helper", "reaction": "👍"}]
    assert (two["text"], two["is_deleted"]) == (None, True)
    removal: dict[str, Any] = {"participant_id": "helper", "reaction": None}
    send(opened, "POST", f"/c1/messages/{first}/reactions", **removal)
    assert read(opened, f"/c1/messages/{first}")["reactions"] == []
    stale = send(
        opened, "PATCH", f"/c1/messages/{first}", 412, headers={"if-match": '"0"'}, text="x"
    )
    assert stale["code"] == "version_mismatch"
    unknown = send(opened, "PATCH", "/c1/messages/none", 404, headers={"if-match": '"0"'}, text="x")
    assert unknown["code"] == "unknown_message"


def test_pages_are_read_in_both_orders_and_between_two_sequences(opened: TestClient) -> None:
    for number in range(7):
        post_message(opened, text=str(number))
    seen: list[str] = []
    cursor = None
    while True:
        page = read(
            opened, "/c1/messages", order="desc", limit=3, **({"cursor": cursor} if cursor else {})
        )
        seen += [each["text"] for each in page["items"]]
        if (cursor := page["cursor"]) is None:
            break
    assert seen == list("6543210")
    between = read(opened, "/c1/events", after_sequence=2, before_sequence=5)["items"]
    assert [each["sequence"] for each in between] == [3, 4]


def test_internal_events_are_hidden_from_customers_but_keep_their_sequence(
    opened: TestClient,
) -> None:
    post_message(opened)
    post_message(opened, "helper", "a note", visibility="internal", control_epoch=1)
    everything = read(opened, "/c1/events")["items"]
    seen = read(opened, "/c1/events", view="customer")["items"]
    assert [each["sequence"] for each in seen] == [each["sequence"] for each in everything]
    hidden = [each for each in seen if each.get("withheld")]
    assert all(set(each) == {"sequence", "withheld"} for each in hidden)
    assert len(hidden) == sum(each["visibility"] == "internal" for each in everything) == 2
    shown, note = read(opened, "/c1/messages", view="customer")["items"]
    assert shown["text"] == "hello"
    assert set(note) == {"sequence", "withheld"}


def test_the_list_finds_a_conversation_by_the_contact_of_its_customer(opened: TestClient) -> None:
    people = [
        {"participant_id": "mira", "participant_role": "agent", "contact_id": "staff"},
        {"participant_id": "eve", "participant_role": "customer", "contact_id": "eve-1"},
    ]
    send(opened, "POST", "", conversation_id="c2", channel="web", participants=people)
    assert read(opened, "/c2")["contact_id"] == "eve-1"
    joined: dict[str, Any] = {"participant_id": "ada", "participant_role": "customer"}
    send(opened, "POST", "/c1/participants", contact_id="ada-1", **joined)
    send(opened, "POST", "/c1/messages", participant_id="ada", text="hello")

    def found(contact_id: str) -> list[str]:
        return [
            each["conversation_id"] for each in read(opened, "", contact_id=contact_id)["items"]
        ]

    assert (found("eve-1"), found("ada-1"), found("staff")) == (["c2"], ["c1"], [])
