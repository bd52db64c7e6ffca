"""Slack: only Slack's calls are read, each is read right, and a message reaches its channel and thread."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from ingest.channels.base import (
    Account,
    Address,
    Call,
    ChannelAdapter,
    Choice,
    DeletionItem,
    EditItem,
    Inbound,
    Interpretation,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    OutboundMessage,
    Person,
    ReactionItem,
    Rejected,
    Retry,
    Sent,
    Unknown,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.slack import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.changed_bodies import changed_bodies
from tests.channels.stand_ins.loopback import Reply, send
from tests.channels.stand_ins.slack import SlackApi, slack_api

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
FILES = Path(__file__).parents[3] / "shared/data/C_webhooks/slack"
TEXTS = (
    "👩🏽\u200d🚀 hé",
    "שלום \u202eabc\u202c",
    "漢字かな한글",
    "a\u200bb\ufeff",
    "\U0001f1e9\U0001f1ea e\u0301",
)


def make_account(*secrets: str, **options: str) -> Account:
    return Account(
        account_id="acc",
        provider="slack",
        channel="slack",
        address="T1",
        options=options,
        secrets={"signing_secret": secrets or (SIGNING,), "bot_token": ("xoxb-good",)},
    )


ACCOUNT = make_account()


def read(body: bytes, account: Account = ACCOUNT) -> list[Inbound]:
    call = ADAPTER.sign(body, "application/json", account, NOW)
    ADAPTER.verify(call, account, NOW)
    return list(ADAPTER.parse(call, account))


def read_one(event: dict[str, Any], account: Account = ACCOUNT, **outer: Any) -> Any:
    envelope = {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "api_app_id": "A1"}
    (item,) = read(json.dumps({**envelope, **outer, "event": event}).encode(), account)
    return item


def message(**fields: Any) -> dict[str, Any]:
    given = {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "text": "hello",
        "ts": "1700000000.000100",
        "event_ts": "1700000000.000100",
    }
    return {name: value for name, value in {**given, **fields}.items() if value is not None}


def interact(payload: dict[str, Any]) -> list[Inbound]:
    return read(urlencode({"payload": json.dumps(payload)}).encode())


def address(user: str, team: str = "T1") -> Address:
    return Address("slack_user", user, team)


def test_the_adapter_fulfils_the_protocol() -> None:
    adapter: ChannelAdapter = ADAPTER
    assert adapter.provider == "slack"


# Verification


class FixedClock(SlackClock):
    """The SDK's clock, at a time that the test chose."""

    def __init__(self, micros: int) -> None:
        self.micros = micros

    def now(self) -> float:
        return self.micros / SECOND


def sdk_accepts(call: Call, secret: str, now: int) -> bool:
    verifier = SignatureVerifier(secret, FixedClock(now))
    try:
        return verifier.is_valid_request(call.body, dict(call.headers))
    except Exception:
        return False


def accepts(call: Call, account: Account, now: int) -> bool:
    try:
        ADAPTER.verify(call, account, now)
    except InvalidSignatureError:
        return False
    return True


def with_header(call: Call, name: str, value: str | None) -> Call:
    headers = {each: text for each, text in call.headers.items() if each != name}
    return msgspec.structs.replace(
        call, headers=headers if value is None else {**headers, name: value}
    )


SIGNATURE, TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
header_texts = st.one_of(
    st.none(),
    st.text(max_size=80),
    st.sampled_from(
        [
            "",
            " ",
            "v0=",
            "v0=" + "0" * 64,
            "1700000000",
            "+1700000000",
            "1_700_000_000",
            "1e9",
            "١٧",
        ]
    ),
)


@settings(max_examples=1000, deadline=None)
@given(
    body=st.binary(max_size=300) | st.text(max_size=80).map(str.encode),
    age=st.integers(-302, 302) | st.integers(-(2**40), 2**40),
    fraction=st.integers(0, SECOND - 1),
    changed=st.sampled_from([None, SIGNATURE, TIMESTAMP]),
    value=header_texts,
    secret=st.sampled_from([SIGNING, "other", "ключ"]),
)
@example(body=b"", age=300, fraction=0, changed=None, value=None, secret=SIGNING)
@example(body=b"\xff", age=0, fraction=0, changed=None, value=None, secret=SIGNING)
@example(body=b"{}", age=0, fraction=0, changed=SIGNATURE, value="v0=é", secret=SIGNING)
def test_our_verdict_is_that_of_the_sdk(
    body: bytes, age: int, fraction: int, changed: str | None, value: str | None, secret: str
) -> None:
    call = ADAPTER.sign(body, "application/json", make_account(secret), NOW - age * SECOND)
    call = with_header(call, changed, value) if changed else call
    now = NOW + fraction
    assert accepts(call, ACCOUNT, now) == sdk_accepts(call, SIGNING, now)


@pytest.mark.parametrize("age", [-301, -300, -299, 0, 299, 300, 301])
def test_a_call_is_valid_for_five_minutes_before_and_after(age: int) -> None:
    call = ADAPTER.sign(b"{}", "application/json", ACCOUNT, NOW - age * SECOND)
    assert accepts(call, ACCOUNT, NOW) == (abs(age) <= 300)
    assert sdk_accepts(call, SIGNING, NOW) == (abs(age) <= 300)


def test_each_flipped_bit_of_body_signature_or_timestamp_is_invalid() -> None:
    call = ADAPTER.sign(b'{"type":"event_callback"}', "application/json", ACCOUNT, NOW)
    assert accepts(call, ACCOUNT, NOW)
    for position in range(len(call.body) * 8):
        body = bytearray(call.body)
        body[position // 8] ^= 1 << position % 8
        assert not accepts(msgspec.structs.replace(call, body=bytes(body)), ACCOUNT, NOW)
    for name in (SIGNATURE, TIMESTAMP):
        value = call.headers[name]
        for position in range(len(value) * 7):
            index, bit = divmod(position, 7)
            flipped = value[:index] + chr(ord(value[index]) ^ 1 << bit) + value[index + 1 :]
            assert not accepts(with_header(call, name, flipped), ACCOUNT, NOW)
        assert not accepts(with_header(call, name, None), ACCOUNT, NOW)


def test_during_a_rotation_the_new_and_the_old_secret_are_valid() -> None:
    both = make_account("new", "old")
    for secret in ("new", "old"):
        call = ADAPTER.sign(b"{}", "application/json", make_account(secret), NOW)
        assert accepts(call, both, NOW)
    assert not accepts(ADAPTER.sign(b"{}", "", make_account("older"), NOW), both, NOW)
    assert ADAPTER.sign(b"{}", "", both, NOW) == ADAPTER.sign(b"{}", "", make_account("new"), NOW)


def test_an_account_without_a_usable_secret_accepts_nothing() -> None:
    call = ADAPTER.sign(b"{}", "", make_account(""), NOW)
    assert not accepts(call, make_account("", " "), NOW)
    assert not accepts(call, msgspec.structs.replace(ACCOUNT, secrets={}), NOW)


# The check of the URL


def test_the_challenge_is_returned_if_slack_signed_it() -> None:
    body = b'\xef\xbb\xbf{"type": "url_verification", "challenge": "abc", "token": "x"}'
    call = ADAPTER.sign(body, "application/json", ACCOUNT, NOW)
    answer = ADAPTER.challenge(call, ACCOUNT)
    assert answer is not None
    assert (answer.status, answer.body, answer.content_type) == (200, b"abc", "text/plain")
    with pytest.raises(InvalidSignatureError):
        ADAPTER.challenge(call, make_account("other"))
    assert list(ADAPTER.parse(call, ACCOUNT)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"url_verification",
        b'{"type": "event_callback", "event": {"text": "url_verification"}}',
        b'{"type": "url_verification"}',
    ],
)
def test_other_calls_are_no_challenge(body: bytes) -> None:
    assert ADAPTER.challenge(ADAPTER.sign(body, "", ACCOUNT, NOW), ACCOUNT) is None


# Messages


def test_a_message_has_its_sender_time_id_and_thread() -> None:
    item = read_one(message(text="hello", ts="1700000000.000009"))
    assert item == MessageItem(
        provider_id="C1/1700000000.000009",
        person=Person(addresses=(address("U1"),)),
        happened_at=1_700_000_000_000_009,
        thread=("C1/1700000000.000009",),
        text="hello",
    )


@pytest.mark.parametrize(
    "ts", ["1", "x", "", "1.1234567", "-1.0", "99999999999.000000", "1.0\n", "١.0"]
)
def test_a_message_with_a_strange_timestamp_is_kept_as_unreadable(ts: str) -> None:
    if ts == "1":
        assert read_one(message(ts=ts)).happened_at == SECOND
    else:
        assert isinstance(read_one(message(ts=ts)), UnreadableItem)


@given(seconds=st.integers(1, 10**10 - 1), micros=st.integers(0, SECOND - 1))
def test_timestamps_are_exact(seconds: int, micros: int) -> None:
    assert read_one(message(ts=f"{seconds}.{micros:06}")).happened_at == seconds * SECOND + micros


def test_a_reply_belongs_to_the_thread_of_its_root() -> None:
    for subtype in (None, "thread_broadcast"):
        item = read_one(message(thread_ts="1699999999.000001", subtype=subtype))
        assert item.thread == ("C1/1699999999.000001",)
        assert item.in_reply_to == "C1/1699999999.000001"


def test_a_root_that_has_replies_is_no_reply() -> None:
    assert read_one(message(thread_ts="1700000000.000100")).in_reply_to is None


def test_a_direct_chat_is_one_conversation() -> None:
    assert read_one(message(channel="D1", channel_type="im")).thread == ("D1",)
    assert read_one(message(channel="X1", channel_type="im", thread_ts="1.000001")).thread == (
        "X1",
    )


def test_a_mention_and_its_message_are_one() -> None:
    mention = message(
        type="app_mention", text="<@UBOT> help", channel_type=None, event_ts="1700000000.000100"
    )
    twin = message(text="<@UBOT> help", client_msg_id="c-1", blocks=[{"type": "rich_text"}])
    assert read_one(mention, event_id="Ev2") == read_one(twin, event_id="Ev1")


def test_the_text_is_as_people_read_it_and_the_original_is_kept() -> None:
    item = read_one(message(text="a &lt;b&gt; &amp;amp; &#39; <@U2> <https://a.example|a>"))
    assert item.text == "a <b> &amp; &#39; <@U2> <https://a.example|a>"
    assert item.payload == {
        "original_text": "a &lt;b&gt; &amp;amp; &#39; <@U2> <https://a.example|a>"
    }


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_text_is_exact_to_the_byte(text: str, is_ascii: bool) -> None:
    body = {"type": "event_callback", "team_id": "T1", "event": message(text=text)}
    (item,) = read(json.dumps(body, ensure_ascii=is_ascii).encode())
    assert isinstance(item, MessageItem)
    assert item.text == text


@pytest.mark.parametrize("subtype", [None, "file_share"])
def test_files_are_attachments(subtype: str | None) -> None:
    file = {
        "id": "F1",
        "name": "a.png",
        "mimetype": "image/png",
        "size": 7,
        "url_private": "https://f.example/a",
    }
    item = read_one(
        message(
            text="", subtype=subtype, files=[file, {"id": "F2", "mode": "tombstone", "size": 2**63}]
        )
    )
    assert item.text is None
    assert item.attachments == (
        Attachment(url="https://f.example/a", content_type="image/png", size=7, name="a.png"),
        Attachment(),
    )


def test_a_message_of_an_app_is_that_of_a_bot() -> None:
    new = read_one(message(bot_id="B1", user="UB", bot_profile={"name": "shop", "app_id": "A1"}))
    assert (new.author, new.author_name) == ("bot", "shop")
    classic = read_one(message(subtype="bot_message", user=None, bot_id="B2", username="old"))
    assert (classic.author, classic.author_name) == ("bot", "old")


def test_the_other_side_of_a_thread_that_an_app_begins_is_the_channel(api: SlackApi) -> None:
    begun = read_one(message(bot_id="B1"))
    assert begun.person == Person(addresses=(Address("external_id", "C1", "T1"),))
    assert read_one(message(bot_id="B1", thread_ts="1.000001")).person is None
    assert read_one(message(bot_id="B1", channel="D1", channel_type="im")).person is None
    out = OutboundMessage(reference="r", now=NOW, text="a")
    (request,) = ADAPTER.render(out, begun.person, make_account(api_url=api.url))  # type: ignore[misc]
    assert ADAPTER.interpret(send(request)) == Sent("C1/1700000000.000000")


def test_an_echo_carries_the_reference_of_our_send() -> None:
    metadata = {"event_type": "convolake_message", "event_payload": {"reference": "ref-1"}}
    assert read_one(message(bot_id="B1", metadata=metadata)).client_reference == "ref-1"
    foreign = {"event_type": "other", "event_payload": {"reference": "ref-1"}}
    assert read_one(message(bot_id="B1", metadata=foreign)).client_reference is None


def test_members_whom_the_account_names_are_agents() -> None:
    account = make_account(agent_users="U7,U8")
    assert read_one(message(user="U8"), account).author == "agent"
    assert read_one(message(user="U8", thread_ts="1.000001"), account).person is None
    assert read_one(message(user="U9"), account).author == "customer"
    for event in (
        reaction("reaction_added", user="U7"),
        message(user="U7", subtype="channel_join"),
        message(subtype="message_changed", message=message(user="U7", text="b", edited={})),
        message(
            subtype="message_deleted", deleted_ts="1.000001", previous_message=message(user="U7")
        ),
    ):
        assert read_one(event, account).person is None


def test_an_app_that_sends_blocks_alone_has_their_text() -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "first"}}, {"type": "divider"}]
    assert read_one(message(text="", bot_id="B1", blocks=blocks)).text == "first"
    attachments = [{"id": 1, "fallback": "second"}]
    assert read_one(message(text="", bot_id="B1", attachments=attachments)).text == "second"


def test_a_message_without_words_and_files_is_kept() -> None:
    item = read_one(message(text="", blocks=[{"type": "divider"}]))
    assert (item.kind, item.data["blocks"]) == ("message", [{"type": "divider"}])


@pytest.mark.parametrize(
    "subtype", ["channel_join", "channel_topic", "message_replied", "ekm_access_denied"]
)
def test_other_subtypes_are_kept_under_their_names(subtype: str) -> None:
    item = read_one(message(subtype=subtype, text="<@U1> has joined &amp; more"))
    assert (item.kind, item.text) == (subtype, "<@U1> has joined & more")
    assert item.person.addresses == (address("U1"),)
    assert item.data["channel"] == "C1"


# Changes


def changed(new: dict[str, Any], old: dict[str, Any] | None, **fields: Any) -> Any:
    event = {"user": None, "text": None, "subtype": "message_changed", "ts": "1700000009.000001"}
    return read_one(
        message(
            **{
                **event,
                "event_ts": "1700000009.000001",
                "message": new,
                "previous_message": old,
                **fields,
            }
        )
    )


def test_a_changed_message_has_its_new_text() -> None:
    item = changed(
        message(text="new &lt;", edited={"user": "U1", "ts": "1700000009.000000"}), message()
    )
    assert item == EditItem(
        provider_id="changed/C1/1700000009.000001/Ev1",
        person=Person(addresses=(address("U1"),)),
        happened_at=1_700_000_009_000_001,
        thread=("C1/1700000000.000100",),
        message="C1/1700000000.000100",
        text="new <",
        payload={"original_text": "new &lt;"},
    )


def test_a_changed_message_without_a_timestamp_is_that_of_the_previous_one() -> None:
    item = changed(message(ts=None, text="new", edited={}), message(ts="1600000000.000001"))
    assert item.message == "C1/1600000000.000001"


def test_a_preview_of_a_link_is_no_edit() -> None:
    item = changed(
        message(text="https://a.example", attachments=[{"title": "A"}]),
        message(text="https://a.example"),
    )
    assert isinstance(item, OtherItem)
    assert item.kind == "message_changed"


def test_a_deleted_message_names_it_and_its_author() -> None:
    event = message(
        subtype="message_deleted",
        user=None,
        text=None,
        deleted_ts="1700000000.000100",
        previous_message=message(),
        ts="1700000010.000000",
        event_ts="1700000010.000000",
    )
    tombstone = changed(message(subtype="tombstone", text="This message was deleted."), message())
    for item in (read_one(event), tombstone):
        assert isinstance(item, DeletionItem)
        assert item.message == "C1/1700000000.000100"
        assert item.person == Person(addresses=(address("U1"),))
        assert item.thread == ("C1/1700000000.000100",)


def test_both_forms_of_a_deletion_are_one() -> None:
    event = message(
        subtype="message_deleted",
        user=None,
        text=None,
        deleted_ts="1700000000.000100",
        previous_message=message(),
    )
    tombstone = changed(message(subtype="tombstone"), message())
    assert read_one(event).provider_id == tombstone.provider_id


# Reactions, members and the rest


def reaction(kind: str, **fields: Any) -> dict[str, Any]:
    item = {"type": "message", "channel": "C1", "ts": "1700000000.000100"}
    return {
        "type": kind,
        "user": "U2",
        "reaction": "tada",
        "item": item,
        "event_ts": "1700000005.000002",
        **fields,
    }


def test_a_reaction_is_added_and_removed() -> None:
    added, removed = read_one(reaction("reaction_added")), read_one(reaction("reaction_removed"))
    assert isinstance(added, ReactionItem)
    assert (added.reaction, removed.reaction) == ("tada", None)
    assert added.message == removed.message == "C1/1700000000.000100"
    assert added.person == Person(addresses=(address("U2"),))
    assert added.happened_at == 1_700_000_005_000_002
    assert added.provider_id != removed.provider_id


def test_a_reaction_to_a_file_and_one_with_a_long_name_are_kept() -> None:
    for event in (
        reaction("reaction_added", item={"type": "file", "file": "F1"}),
        reaction("reaction_added", reaction="x" * 65),
    ):
        item = read_one(event)
        assert isinstance(item, OtherItem)
        assert item.kind == "reaction_added"


@pytest.mark.parametrize(
    "kind", ["member_joined_channel", "member_left_channel", "app_home_opened"]
)
def test_members_are_kept_with_their_person(kind: str) -> None:
    item = read_one({"type": kind, "user": "U3", "channel": "C1", "team": "T1"})
    assert (item.kind, item.person.addresses) == (kind, (address("U3"),))


def test_events_of_one_kind_have_different_ids_and_a_redelivery_the_same() -> None:
    event = {"type": "member_joined_channel", "user": "U3", "channel": "C1"}
    first, other = read_one(event, event_id="Ev1"), read_one(event, event_id="Ev2")
    assert first.provider_id != other.provider_id
    assert first == read_one(event, event_id="Ev1")
    nameless = [read_one({"type": "app_uninstalled", "n": n}, event_id=None) for n in (1, 2)]
    assert nameless[0].provider_id != nameless[1].provider_id


def test_an_unknown_event_is_kept_without_credentials() -> None:
    item = read_one(
        {
            "type": "future_thing",
            "user": {"id": "U1"},
            "token": "x",
            "channel": {"id": "C9"},
            "deep": [1],
        }
    )
    assert item.kind == "future_thing"
    assert item.person is None
    assert item.data == {
        "type": "future_thing",
        "user": {"id": "U1"},
        "channel": {"id": "C9"},
        "deep": [1],
    }
    assert read_one({"type": "Bad Name!"}).kind == "bad_name"


def test_a_rate_limit_is_kept() -> None:
    (item,) = read(
        b'{"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1518467820}'
    )
    assert isinstance(item, OtherItem)
    assert (item.kind, item.happened_at) == ("app_rate_limited", 1_518_467_820 * SECOND)
    assert item.provider_id == "app_rate_limited/T1/1518467820"


# Interactivity


def press(**fields: Any) -> dict[str, Any]:
    action = {
        "type": "button",
        "action_id": "a",
        "block_id": "b",
        "text": {"type": "plain_text", "text": "Yes"},
        "value": "yes",
        "action_ts": "1700000003.000004",
    }
    return {
        "type": "block_actions",
        "user": {"id": "U1", "name": "ada", "team_id": "T1"},
        "team": {"id": "T1", "domain": "shop"},
        "token": "x",
        "trigger_id": "t.1",
        "response_url": "https://hooks.slack.com/x",
        "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": "C1"},
        "channel": {"id": "C1"},
        "message": {"ts": "1700000000.000100", "text": "Sure?"},
        "actions": [action],
        **fields,
    }


def test_a_pressed_button_is_a_message_with_its_words() -> None:
    assert interact(press()) == [
        MessageItem(
            provider_id="action/C1/1700000000.000100/1700000003.000004/b/a",
            person=Person(addresses=(address("U1"),), name="ada"),
            happened_at=1_700_000_003_000_004,
            thread=("C1/1700000000.000100",),
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


# Bad bodies


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


# Real calls


def real_files() -> list[Path]:
    return sorted(path for path in FILES.rglob("*") if path.is_file())


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


@pytest.mark.skipif(not FILES.exists(), reason="the recorded calls are not here")
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
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


# Sending

CUSTOMER = Person(addresses=(address("U1"),))


@pytest.fixture(scope="module")
def server() -> Iterator[SlackApi]:
    with slack_api() as api:
        yield api


@pytest.fixture
def api(server: SlackApi) -> SlackApi:
    server.posted.clear()
    server.archived.clear()
    return server


def post(api: SlackApi, account: Account | None = None, **fields: Any) -> list[Interpretation]:
    out = OutboundMessage(reference="ref-1", now=NOW, **fields)
    requests = ADAPTER.render(out, CUSTOMER, account or make_account(api_url=api.url))
    assert not isinstance(requests, Unsendable), requests
    return [ADAPTER.interpret(send(each)) for each in requests]


def test_a_message_is_posted_in_its_thread_with_our_reference(api: SlackApi) -> None:
    assert post(api, text="hé <!channel> & 漢", thread=["C1/1700000000.000100"]) == [
        Sent("C1/1700000000.000000")
    ]
    (posted,) = api.posted
    assert (posted["channel"], posted["thread_ts"]) == ("C1", "1700000000.000100")
    assert posted["text"] == "hé &lt;!channel&gt; &amp; 漢"
    event = read_one(
        message(bot_id="B1", ts=posted["ts"], text=posted["text"], metadata=posted["metadata"])
    )
    assert (event.client_reference, event.text) == ("ref-1", "hé <!channel> & 漢")
    assert event.provider_id == "C1/1700000000.000000"


def test_the_place_is_the_thread_or_the_answered_message_or_the_person(api: SlackApi) -> None:
    post(api, text="a", thread=["D1"])
    post(api, text="b", in_reply_to="G1/1700000000.000100")
    post(api, text="c", in_reply_to="D1/1700000000.000100")
    post(api, text="d")
    places = [(each["channel"], each.get("thread_ts")) for each in api.posted]
    assert places == [("D1", None), ("G1", "1700000000.000100"), ("D1", None), ("D1", None)]


def test_a_long_text_is_posted_in_parts_that_slack_takes(api: SlackApi) -> None:
    text = "".join(f"{n} <&> 👩🏽\u200d🚀 " for n in range(1000))
    results = post(api, text=text, thread=["C1/1700000000.000100"])
    assert len(results) > 2
    assert all(isinstance(each, Sent) for each in results)
    joined = "".join(each["text"] for each in api.posted)
    assert joined.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_buttons_and_images_become_blocks(api: SlackApi) -> None:
    buttons = [Choice("Yes", "yes"), Choice("Site", url="https://a.example"), Choice("t" * 80)]
    image = Attachment(url="https://a.example/a.png", content_type="image/png", name="a.png")
    paper = Attachment(url="https://a.example/b.pdf", content_type="application/pdf", name="b.pdf")
    (result,) = post(
        api, text="Sure?", quick_replies=buttons, attachments=[image, paper], thread=["C1/1.000001"]
    )
    assert isinstance(result, Sent)
    section, picture, actions = api.posted[0]["blocks"]
    assert section["text"]["text"] == "Sure?\nb.pdf: https://a.example/b.pdf"
    assert picture["image_url"] == image.url
    assert [each.get("value") or each["url"] for each in actions["elements"]] == [
        "yes",
        "https://a.example",
        "t" * 80,
    ]
    (only_image,) = post(api, attachments=[image], thread=["C1/1.000001"])
    assert isinstance(only_image, Sent)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"thread": ["C9/1.000001"]}, Rejected("channel_not_found", "channel_not_found")),
        ({"thread": ["G1/1.000001"]}, Rejected("is_archived", "is_archived")),
    ],
)
def test_a_place_that_does_not_take_messages_is_rejected(
    api: SlackApi, change: dict[str, Any], expected: Rejected
) -> None:
    api.archived.add("G1")
    assert post(api, text="a", **change) == [expected]


def test_a_wrong_token_is_rejected(api: SlackApi) -> None:
    account = msgspec.structs.replace(
        make_account(api_url=api.url), secrets={"bot_token": ("xoxb-bad",)}
    )
    assert post(api, account, text="a") == [Rejected("invalid_auth", "invalid_auth")]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            Reply(429, b'{"ok": false, "error": "ratelimited"}', {"Retry-After": "30"}),
            Retry("there are too many requests", 30),
        ),
        (Reply(429, b"", {"Retry-After": "soon"}), Retry("there are too many requests")),
        (
            Reply(200, b'{"ok": false, "error": "rate_limited"}', {"Retry-After": "7"}),
            Retry("rate_limited", 7),
        ),
        (
            Reply(200, b'{"ok": false, "error": "service_unavailable"}'),
            Retry("service_unavailable"),
        ),
        (Reply(200, b'{"ok": false, "error": "internal_error"}'), Unknown("internal_error")),
        (Reply(200, b'{"ok": false, "error": "fatal_error"}'), Unknown("fatal_error")),
        (
            Reply(200, b'{"ok": false, "error": "msg_too_long"}'),
            Rejected("msg_too_long", "msg_too_long"),
        ),
        (Reply(200, b'{"ok": false}'), Unknown("an answer without a result")),
        (Reply(200, b'{"ok": true}'), Sent(None)),
        (Reply(200, b"<html>"), Unknown("an answer without a result")),
        (Reply(500, b""), Unknown("the provider's server failed with status 500")),
        (Reply(502, b"[" * 50_000), Unknown("the provider's server failed with status 502")),
        (Reply(503, b""), Unknown("the provider's server failed with status 503")),
        (Reply(403, b""), Rejected("the provider rejected the message with status 403")),
    ],
)
def test_failures_are_told_apart(api: SlackApi, reply: Reply, expected: Interpretation) -> None:
    api.next_reply = reply
    assert post(api, text="a") == [expected]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "neither text nor attachments"),
        ({"text": " \n"}, "neither text nor attachments"),
        ({"attachments": [Attachment(name="a")]}, "an attachment has no URL"),
        ({"text": "a", "buttons": [Choice("x")] * 26}, "more than 25 buttons"),
        (
            {"text": "a", "buttons": [Choice("x", "v" * 2001)]},
            "the value of a button is longer than 2,000 characters",
        ),
        (
            {"attachments": [Attachment(url="https://a.example", content_type="image/png")] * 41},
            "more than 40 images",
        ),
    ],
)
def test_a_message_that_slack_never_takes_is_not_sent(fields: dict[str, Any], reason: str) -> None:
    result = ADAPTER.render(OutboundMessage(reference="r", now=NOW, **fields), CUSTOMER, ACCOUNT)
    assert isinstance(result, Unsendable)
    assert result.reason == reason


def test_without_a_token_or_a_place_nothing_is_sent() -> None:
    out = OutboundMessage(reference="r", now=NOW, text="a")
    bare = msgspec.structs.replace(ACCOUNT, secrets={})
    assert ADAPTER.render(out, CUSTOMER, bare) == Unsendable("the account has no bot_token")
    stranger = Person(addresses=(Address("email", "a@b.example"),))
    assert isinstance(ADAPTER.render(out, stranger, ACCOUNT), Unsendable)
