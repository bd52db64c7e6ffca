"""Slack: interactions, bodies that are no calls, and recorded calls."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest
from hypothesis import given, settings

from ingest.channels.base import (
    MessageItem,
    OtherItem,
    Person,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.slack.adapter import ADAPTER
from tests.channels.changed_bodies import changed_bodies
from tests.channels.recorded import recorded
from tests.channels.slack_calls import (
    ACCOUNT,
    NOW,
    SECOND,
    address,
    interact,
    message,
    press,
    reaction,
    read,
    read_one,
)


def test_a_pressed_button_is_a_message_with_its_words() -> None:
    assert interact(press()) == [
        MessageItem(
            provider_id="action/C1/1700000000.000100/1700000003.000004/b/a",
            person=Person(addresses=(address("U1"),), name="ada"),
            happened_at=1_700_000_003_000_004,
            thread=("C1:1700000000.000100", "C1/1700000000.000100"),
            author_name="ada",
            text="Yes",
            in_reply_to="C1/1700000000.000100",
            payload={
                "action": {"type": "button", "action_id": "a", "block_id": "b", "value": "yes"}
            },
        )
    ]


def test_a_chosen_option_is_a_message_with_its_words() -> None:
    option = {"text": {"type": "plain_text", "text": "Apple"}, "value": "fruit|apple"}
    action = {
        "type": "static_select",
        "action_id": "s",
        "block_id": "b",
        "selected_option": option,
        "placeholder": {"type": "plain_text", "text": "Fruit"},
        "action_ts": "1700000003.000004",
    }
    (item,) = interact(press(actions=[action]))
    assert isinstance(item, MessageItem)
    assert (item.text, item.payload["action"]["value"]) == ("Apple", "fruit|apple")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "view_submission", "view": {"id": "V1"}, "actions": None},
        {"type": "shortcut", "callback_id": "c"},
        {"container": {"type": "view", "view_id": "V1"}},
        {"actions": [{"type": "datepicker", "selected_date": "2026-01-01", "action_ts": "1.0"}]},
    ],
)
def test_other_interactions_are_kept_without_credentials(fields: dict[str, Any]) -> None:
    (item,) = interact(press(**fields))
    assert isinstance(item, OtherItem)
    assert item.kind == fields.get("type", "block_actions")
    assert item.happened_at == NOW
    assert item.person == Person(addresses=(address("U1"),), name="ada")
    assert not {"token", "trigger_id", "response_url"} & set(item.data)


def test_a_slash_command_is_kept_with_its_words() -> None:
    form = {
        "token": "x",
        "team_id": "T1",
        "channel_id": "C1",
        "user_id": "U1",
        "user_name": "ada",
        "command": "/order",
        "text": "12 é 漢",
        "trigger_id": "t.2",
        "response_url": "https://x",
    }
    (item,) = read(urlencode(form).encode())
    assert isinstance(item, OtherItem)
    assert (item.kind, item.text, item.happened_at) == ("slash_command", "/order 12 é 漢", NOW)
    assert item.provider_id == "slash_command/C1/t.2"
    assert item.data == {
        "team_id": "T1",
        "channel_id": "C1",
        "user_id": "U1",
        "user_name": "ada",
        "command": "/order",
        "text": "12 é 漢",
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'"x"', b"{", b"payload=", b"payload=%7B", b"a=b", b"command=%FF", b"\xff\xfe", b'{"type": 5}', b'{"type": "event_callback"}', b"[" * 100_000, b'{"type": "x", "a": ' + b"[" * 100_000, b'{"type": "event_callback", "event": ' + b'{"message": ' * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_call_of_slack_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallError):
        read(body) if body[:1] != b"\xff" else list(
            ADAPTER.parse(ADAPTER.sign(body, "", ACCOUNT, NOW), ACCOUNT)
        )


@pytest.mark.parametrize(
    "event",
    [{}, [], None, 7, {"type": "message"}, {"type": "app_mention", "user": "U1", "event_ts": "1.000001"}, {"type": "message", "text": 7, "channel": "C1", "ts": "1.0"}, {"type": "x", "n": 2**70}, {"type": "reaction_added"}],
)  # fmt: skip
def test_an_event_that_cannot_be_read_is_kept_with_a_reason(event: Any) -> None:
    item = read_one(event)
    assert isinstance(item, UnreadableItem)
    assert item.reason
    assert json.loads(item.raw) == event


def test_a_deep_event_is_kept_as_unreadable() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    assert isinstance(read_one({"type": "x", "deep": deep}), UnreadableItem)


CALLS = [
    *(
        {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event}
        for event in (
            message(
                files=[{"name": "a", "size": 1}], blocks=[{"text": {"text": "b"}}], metadata={}
            ),
            message(bot_id="B1", bot_profile={"name": "b"}, thread_ts="1.000001"),
            message(subtype="message_changed", message=message(), previous_message=message()),
            message(subtype="message_deleted", deleted_ts="1.000001", previous_message=message()),
            message(subtype="channel_join"),
            reaction("reaction_added"),
            {
                "type": "member_joined_channel",
                "user": "U1",
                "channel": "C1",
                "event_ts": "1.000001",
            },
        )
    ),
    press(),
    press(type="view_submission", view={"id": "V1"}),
    {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1},
]
bodies = changed_bodies(CALLS)
forms = bodies.map(lambda body: urlencode({"payload": body}).encode())


@settings(max_examples=1000, deadline=None)
@given(body=bodies | forms)
def test_any_body_gives_items_or_one_error(body: bytes) -> None:
    call = ADAPTER.sign(body, "", ACCOUNT, NOW)
    try:
        items = list(ADAPTER.parse(call, ACCOUNT))
    except UnreadableCallError:
        return
    msgspec.json.encode(items)


def real_body(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return a recorded body, and its content read by other means than the adapter's."""
    raw = path.read_bytes()
    text = raw.decode("utf-8-sig").strip()
    if text.startswith("{"):
        return raw, json.loads(text)
    form = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
    return raw, json.loads(form["payload"]) if "payload" in form else form


def exact(timestamp: str) -> int:
    seconds, fraction = timestamp.split(".")
    return int(seconds) * SECOND + int(fraction.ljust(6, "0"))


def check_event(item: Any, event: dict[str, Any], team: str) -> str:
    """Hold an item against the event that it was read from; return what it is."""
    people = [each.value for each in item.person.addresses] if getattr(item, "person", None) else []
    assert all(each.scope == team for each in (item.person.addresses if people else ()))
    kind, subtype = event["type"], event.get("subtype")
    if subtype == "message_changed":
        old = event["previous_message"]
        assert (item.text, item.message) == (
            event["message"]["text"],
            f"{event['channel']}/{old['ts']}",
        )
        assert (people, item.happened_at) == ([event["message"]["user"]], exact(event["ts"]))
        return "edit"
    if kind.startswith("reaction"):
        assert item.message == f"{event['item']['channel']}/{event['item']['ts']}"
        assert (item.reaction, people) == (event["reaction"], [event["user"]])
        return "reaction"
    if kind in ("message", "app_mention"):
        assert (item.provider_id, item.text) == (f"{event['channel']}/{event['ts']}", event["text"])
        assert item.happened_at == exact(event["ts"])
        assert people == [event["channel"] if "bot_id" in event else event["user"]]
        assert item.author == ("bot" if "bot_id" in event else "customer")
        assert [each.url for each in item.attachments] == [
            each["url_private_download"] for each in event.get("files", [])
        ]
        return "message"
    assert (item.kind, people) == (kind, [event["user"]] if "user" in event else [])
    return "other"


@pytest.mark.parametrize("path", recorded("slack"), ids=lambda path: path.name)
def test_a_recorded_call_is_read_right(path: Path) -> None:
    raw, content = real_body(path)
    call = ADAPTER.sign(raw, "application/json", ACCOUNT, NOW)
    ADAPTER.verify(call, ACCOUNT, NOW)
    if content.get("type") == "url_verification":
        answer = ADAPTER.challenge(call, ACCOUNT)
        assert answer is not None
        assert answer.body.decode() == content["challenge"]
        return
    (item,) = ADAPTER.parse(call, ACCOUNT)
    if content.get("type") == "app_rate_limited":
        assert isinstance(item, OtherItem)
        assert item.happened_at == content["minute_rate_limited"] * SECOND
    elif "event" in content:
        event = content["event"]
        if event["type"] == "app_mention" and "ts" not in event:
            assert isinstance(item, UnreadableItem)
            assert item.reason == "a message without its channel or timestamp"
        else:
            check_event(item, event, content["team_id"])
            moment = event.get("event_ts") or content.get("event_ts")
            assert not moment or item.happened_at == exact(moment)  # type: ignore[union-attr]
    elif "command" in content:
        assert isinstance(item, OtherItem)
        assert item.person is not None
        assert (item.text, item.person.addresses) == (
            content["command"],
            (address(content["user_id"], content["team_id"]),),
        )
    else:
        (action,) = content["actions"]
        words = action.get("selected_option", action)["text"]["text"]
        assert isinstance(item, MessageItem)
        assert item.person is not None
        assert (item.text, item.happened_at) == (words, exact(action["action_ts"]))
        assert item.person.addresses == (address(content["user"]["id"], content["team"]["id"]),)
        assert (
            item.in_reply_to == f"{content['channel']['id']}/{content['container']['message_ts']}"
        )
