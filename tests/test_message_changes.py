"""Changes of a message: they wait for it, a deleted one takes none, and a reply has its channel."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conversation_calls import join, post_message, read, rejected, send, types


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"text": "better"}),
        ("DELETE", "", {}),
        ("POST", "/reactions", {"participant_id": "helper", "reaction": "👍"}),
        ("POST", "/receipts", {"participant_id": "helper", "status": "read"}),
    ],
)
def test_a_change_waits_for_its_message_on_its_own_route(
    opened: TestClient, method: str, path: str, body: dict[str, Any]
) -> None:
    send(opened, method, f"/c1/messages/m9{path}", 202, **body)
    assert len(types(opened)) == 2
    post_message(opened, message_id="m9")
    assert types(opened)[2] == "message.created"
    assert types(opened)[3].startswith("message.")


def test_a_change_with_an_etag_does_not_wait(opened: TestClient) -> None:
    problem = send(opened, "DELETE", "/c1/messages/m9", 404, headers={"if-match": '"3"'})
    assert problem["code"] == "unknown_message"


def test_a_deleted_message_takes_no_edit_and_no_reaction(opened: TestClient) -> None:
    post_message(opened, message_id="m1")
    send(opened, "DELETE", "/c1/messages/m1")
    assert rejected(opened, "PATCH", "/c1/messages/m1", 409, text="x") == "message_deleted"
    reaction = {"participant_id": "helper", "reaction": "👍"}
    code = rejected(opened, "POST", "/c1/messages/m1/reactions", 409, **reaction)
    assert code == "message_deleted"
    send(opened, "POST", "/c1/messages/m1/receipts", participant_id="helper", status="read")
    send(opened, "DELETE", "/c1/messages/m1")


def test_a_fact_about_a_deleted_message_is_stored_and_flagged(opened: TestClient) -> None:
    post_message(opened, message_id="m1")
    send(opened, "DELETE", "/c1/messages/m1")
    fact = {
        "event_type": "message.edited",
        "conversation_id": "c1",
        "message_id": "m1",
        "text": "late",
    }
    assert opened.post("/v1/events", json=fact).status_code == 201
    last = read(opened, "/c1/events", order="desc")["items"][0]
    assert last["payload"] == {"was_stale": True}
    found = read(opened, "/c1/messages/m1")
    assert (found["text"], found["is_deleted"]) == (None, True)


def test_deleted_messages_are_not_unread(opened: TestClient) -> None:
    for number in range(3):
        post_message(opened, message_id=f"m{number}")
    send(opened, "DELETE", "/c1/messages/m1")
    unread = {
        each["participant_id"]: each["unread_count"]
        for each in read(opened, "/c1/participants")["items"]
    }
    assert unread == {"ada": 0, "helper": 2}


# --- channels -------------------------------------------------------------------------------


def channel_of(api: TestClient, message_id: str) -> tuple[str, str | None]:
    events = read(api, "/c1/events", order="desc", limit=100)["items"]
    (found,) = [
        each
        for each in events
        if each.get("message_id") == message_id and each["event_type"] == "message.created"
    ]
    return found["channel"], found.get("channel_account")


def test_a_reply_has_the_channel_of_the_customers_last_message(opened: TestClient) -> None:
    join(opened, "mira")
    post_message(opened, "mira", message_id="first")
    post_message(opened, channel="whatsapp", channel_account="+4930123")
    post_message(opened, "mira", message_id="second")
    post_message(opened, "helper", message_id="third", control_epoch=1)
    assert channel_of(opened, "first") == ("web", None)
    assert channel_of(opened, "second") == ("whatsapp", "+4930123")
    assert channel_of(opened, "third") == ("whatsapp", "+4930123")


def test_a_reply_has_the_channel_of_the_message_that_it_answers(opened: TestClient) -> None:
    post_message(opened, message_id="mail", channel="email", channel_account="shop@example.com")
    post_message(opened, message_id="text", channel="sms", channel_account="+4930123")
    post_message(opened, "helper", message_id="answer", control_epoch=1, in_reply_to="mail")
    assert channel_of(opened, "answer") == ("email", "shop@example.com")


def test_a_message_goes_to_the_channel_that_it_names(opened: TestClient) -> None:
    post_message(opened, channel="sms", channel_account="+4930123")
    post_message(opened, "helper", message_id="mail", control_epoch=1, channel="email")
    post_message(opened, "helper", message_id="text", control_epoch=1, channel="sms")
    assert channel_of(opened, "mail") == ("email", None)
    assert channel_of(opened, "text") == ("sms", "+4930123")


def test_a_customers_page_does_not_choose_the_channel(opened: TestClient) -> None:
    token = send(
        opened, "POST", "//tokens", participant_id="ada", view="customer", conversation_ids=["c1"]
    )["token"]
    answer = opened.post(
        "/v1/conversations/c1/messages",
        json={"text": "x", "participant_id": "ada", "channel": "sms"},
        headers={"authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, answer.json()["field"]) == (403, "$.channel")
