"""Calls of providers: verified ones become events once, in the right order, and nothing is lost."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tests.api_server import wait_until
from tests.channels.conftest import Shop, message


def test_a_message_becomes_a_conversation_with_the_text_byte_for_byte(shop: Shop) -> None:
    text = "🙂 مرحبا \u200b 漢字  \n"
    shop.send(message(text=text))
    created, started, said = shop.events()
    assert [each["event_type"] for each in (created, started)] == [
        "conversation.created", "session.started",
    ]  # fmt: skip
    assert said["text"] == text
    assert (said["channel"], said["channel_account"], said["source"]) == ("api", "shop", "channels")
    assert said["happened_at"] == "2030-01-01T09:59:00Z"
    assert said["payload"]["provider_id"] == "m1"


def test_100_redeliveries_at_once_are_one_event_one_conversation_and_one_contact(
    shop: Shop,
) -> None:
    body = msgspec.json.encode({"items": [message()]})
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: shop.post(body), range(100)))
    assert {each.status_code for each in answers} == {200}
    assert shop.types() == ["conversation.created", "session.started", "message.created"]
    assert shop.rejected() == []


def test_one_bad_item_never_costs_the_others(shop: Shop) -> None:
    body = msgspec.json.encode({"items": [message(1), {"type": "message"}, 7, message(2)]})
    assert shop.post(body).status_code == 200
    assert [each["text"] for each in shop.events() if "text" in each] == ["text 1", "text 2"]
    assert [each["code"] for each in shop.rejected()] == ["unreadable_call", "unreadable_call"]
    (call,) = shop.calls()["items"]
    assert (call["rejected"], call["accepted"]) == (2, 5)


def test_a_verified_call_that_cannot_be_read_is_kept_as_rejected_and_answered_200(
    shop: Shop,
) -> None:
    deep = b'{"items": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    for body in (b"no json", b"[]", b'{"items": 7}', deep, b'"\\ud800"', b"\xff\xfe"):
        assert shop.post(body).status_code == 200
    found = shop.rejected()
    assert {each["code"] for each in found} == {"unreadable_call"}
    assert len(found) == 6
    assert sum(each["rejected"] for each in shop.calls()["items"]) == 6


def test_an_unverified_call_leaves_nothing_but_a_count(shop: Shop) -> None:
    body = msgspec.json.encode({"items": [message()]})
    answers = [
        shop.installation.http.post(shop.path, content=body),
        shop.post(body, **{"webhook-id": "msg_other"}),
        shop.post(body, **{"webhook-timestamp": "1"}),
    ]
    assert [each.status_code for each in answers] == [401] * 3
    assert [each.json()["code"] for each in answers] == ["unverified_call"] * 3
    assert shop.rejected() == []
    wait_until(lambda: len(shop.calls()["unverified"]) == 3, 5, "the counts")
    assert [each["calls"] for each in shop.calls()["unverified"]] == [1, 1, 1]
    assert shop.calls()["items"] == []
    assert (
        "convolake_channel_calls_refused_total 3.0" in shop.installation.http.get("/metrics").text
    )


def test_a_compressed_or_too_large_call_is_not_read(shop: Shop) -> None:
    assert shop.post(b"{}", **{"content-encoding": "gzip"}).status_code == 415
    assert shop.post(b" " * (1024 * 1024 + 1)).status_code == 413


def test_an_unknown_or_disabled_account_takes_no_calls(shop: Shop) -> None:
    http = shop.installation.http
    assert http.post("/channels/other", content=b"{}").status_code == 404
    assert http.get("/channels/other").status_code == 404
    assert http.post("/v1/channels/shop/disable").status_code == 200
    assert shop.post(b'{"items": []}').status_code == 404
    assert http.post("/v1/channels/shop/enable").status_code == 200
    assert shop.post(b'{"items": []}').status_code == 200


def test_changes_before_their_message_wait_and_are_right_in_the_end(shop: Shop) -> None:
    shop.send(
        {"type": "edit", "id": "e1", "message": "m1", "text": "edited", "from": {"id": "ada"}}
    )
    shop.send(
        {"type": "reaction", "id": "r1", "message": "m1", "reaction": "👍", "from": {"id": "ada"}}
    )
    assert [each["waiting"] for each in shop.calls()["items"]] == [1, 1]
    assert shop.installation.http.get("/v1/conversations").json()["items"] == []
    shop.send(message())
    wait_until(lambda: len(shop.types()) == 5, 5, "the edit and the reaction")
    assert shop.types()[3:] == ["message.edited", "message.reacted"]
    shop.send(
        {"type": "edit", "id": "e1", "message": "m1", "text": "edited", "from": {"id": "ada"}}
    )
    assert len(shop.types()) == 5


def test_a_call_may_have_a_change_before_its_message(shop: Shop) -> None:
    edit = {"type": "edit", "id": "e1", "message": "m1", "text": "edited", "from": {"id": "ada"}}
    shop.send(edit, message())
    assert shop.types()[2:] == ["message.created", "message.edited"]
    created, edited = shop.events()[2:]
    assert edited["participant_id"] == created["participant_id"]


@pytest.mark.parametrize("author", ["customer", "agent", "bot"])
def test_an_edit_a_deletion_and_a_reaction_are_by_who_made_them(shop: Shop, author: str) -> None:
    common = {"message": "m1", "from": {"id": "ada"}, "author": author}
    shop.send(message())
    shop.send(
        common | {"type": "reaction", "id": "r1", "reaction": "👍"},
        common | {"type": "edit", "id": "e1", "text": "edited"},
        common | {"type": "deletion", "id": "d1"},
    )
    changes = shop.events()[3:]
    assert [each["event_type"] for each in changes] == [
        "message.edited", "message.deleted", "message.reacted",
    ]  # fmt: skip
    assert {each["participant_role"] for each in changes} == {author}


def test_what_never_gets_its_message_is_rejected_in_the_end(shop: Shop) -> None:
    shop.send({"type": "receipt", "id": "s1", "message": "m9", "status": "read"})
    shop.installation.clock.forward(days=1, minutes=1)
    wait_until(lambda: len(shop.rejected()) == 1, 5, "the rejection")
    assert shop.rejected()[0]["code"] == "unknown_message"


def test_a_rejected_call_can_be_replayed(shop: Shop) -> None:
    shop.send(
        {"type": "edit", "id": "e1", "message": "m1", "text": "edited", "from": {"id": "ada"}}
    )
    shop.installation.clock.forward(days=1, minutes=1)
    wait_until(lambda: len(shop.rejected()) == 1, 5, "the rejection")
    shop.send(message())
    number = shop.rejected()[0]["rejected_id"]
    answer = shop.installation.http.post(f"/v1/rejected/{number}/replay")
    assert answer.status_code == 201, answer.text
    assert shop.types()[-1] == "message.edited"
    assert shop.rejected()[0]["replayed_at"] is not None


def test_a_system_message_opens_no_session_and_reopens_nothing(shop: Shop) -> None:
    shop.send(message())
    (first,) = shop.installation.http.get("/v1/conversations").json()["items"]
    path = f"/v1/conversations/{first['conversation_id']}"
    shop.installation.post_events(
        [{"event_type": "conversation.resolved", "conversation_id": first["conversation_id"]}]
    )
    shop.installation.clock.forward(days=2)
    shop.send(message(2, author="system", text="I am on holiday", at="2030-01-03T09:59:00Z"))
    wait_until(lambda: "session.ended" in shop.types(), 5, "the end of the session")
    assert shop.types().count("session.started") == 1
    assert shop.installation.http.get(path).json()["state"] == "resolved"


def test_a_message_of_an_agent_in_the_providers_app_is_in_the_conversation_once(shop: Shop) -> None:
    shop.send(message(), message(2, author="agent", author_name="Kim"))
    shop.send(message(2, author="agent", author_name="Kim"))
    said = [each for each in shop.events() if each["event_type"] == "message.created"]
    assert [each["participant_role"] for each in said] == ["customer", "agent"]
    assert said[1]["payload"]["author_name"] == "Kim"


def test_what_no_type_describes_is_a_custom_event(shop: Shop) -> None:
    shop.send(message())
    shop.send(
        {"type": "other", "id": "o1", "kind": "poll_vote", "data": {"a": 1}, "from": {"id": "ada"}}
    )
    last = shop.events()[-1]
    assert (last["event_type"], last["payload"]) == ("custom.webhook.poll_vote", {"a": 1})


def test_what_concerns_no_person_is_kept_and_counts_nowhere(shop: Shop) -> None:
    shop.send({"type": "other", "id": "o1", "kind": "account_update", "data": {"a": 1}})
    assert shop.types()[-1] == "custom.webhook.account_update"
    assert {each["is_test"] for each in shop.events()} == {True}


def test_typing_is_shown_and_not_stored(shop: Shop) -> None:
    shop.send(message())
    count = len(shop.events())
    shop.send({"type": "typing", "id": "t1", "from": {"id": "ada"}})
    (first,) = shop.installation.http.get("/v1/conversations").json()["items"]
    path = f"/v1/conversations/{first['conversation_id']}/typing"
    assert len(shop.installation.http.get(path).json()["items"]) == 1
    assert len(shop.events()) == count


def test_a_time_of_the_provider_in_the_future_is_that_of_the_arrival(shop: Shop) -> None:
    shop.send(message(at="2031-01-01T00:00:00Z"), message(2, at="0001-01-01T00:00:00Z"))
    said = [each for each in shop.events() if each["event_type"] == "message.created"]
    assert [each["happened_at"] for each in said] == [each["received_at"] for each in said]


def test_a_message_that_comes_again_after_weeks_a_close_and_a_merge_is_a_duplicate(
    shop: Shop,
) -> None:
    """It would be resolved to another conversation now: the window has passed, and the person is another one."""
    api = shop.installation
    changed = api.http.patch("/v1/channels/shop", json={"policy": {"new_conversation_after": 3600}})
    assert changed.status_code == 200, changed.text
    body = msgspec.json.encode({"items": [message()]})

    def again() -> dict[str, int]:
        assert shop.post(body).status_code == 200
        newest = shop.calls()["items"][0]
        return {name: newest[name] for name in ("accepted", "duplicate", "conflict", "rejected")}

    duplicate = {"accepted": 0, "duplicate": 1, "conflict": 0, "rejected": 0}
    assert again()["accepted"] > 1
    (talk,) = api.http.get("/v1/conversations").json()["items"]
    contact = talk["participants"][0]["contact_id"]
    assert again() == duplicate
    api.clock.forward(days=30)
    assert again() == duplicate
    api.post_events(
        [
            {
                "event_type": "conversation.state_changed",
                "conversation_id": talk["conversation_id"],
                "payload": {"to": "closed"},
            },
            {"event_type": "contact.created", "contact_id": "ada"},
            {"event_type": "contact.merged", "contact_id": contact, "payload": {"into": "ada"}},
        ]
    )
    assert again() == duplicate
    assert len(api.http.get("/v1/conversations").json()["items"]) == 1


def test_first_messages_of_one_moment_leave_no_conflict(shop: Shop) -> None:
    """Each finds no conversation and creates the same one."""
    bodies = [msgspec.json.encode({"items": [message(number)]}) for number in range(24)]
    with ThreadPoolExecutor(24) as pool:
        assert {each.status_code for each in pool.map(shop.post, bodies)} == {200}
    calls = shop.calls()["items"]
    assert len(calls) >= 20
    assert {(each["conflict"], each["rejected"]) for each in calls} == {(0, 0)}
    assert shop.types().count("message.created") == 24
    assert shop.types().count("conversation.created") == 1
