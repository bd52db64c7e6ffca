"""Slack: each kind of call is read right, and no body makes the adapter fail."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.channels.base import (
    Address,
    ChannelAdapter,
    DeletionItem,
    EditItem,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    Person,
    ReactionItem,
    UnreadableItem,
)
from ingest.channels.slack.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.slack_calls import (
    ACCOUNT,
    NOW,
    SECOND,
    TEXTS,
    address,
    make_account,
    message,
    reaction,
    read,
    read_one,
)


def test_the_adapter_fulfils_the_protocol() -> None:
    adapter: ChannelAdapter = ADAPTER
    assert adapter.provider == "slack"


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


def test_a_message_has_its_sender_time_id_and_thread() -> None:
    item = read_one(message(text="hello", ts="1700000000.000009"))
    assert item == MessageItem(
        provider_id="C1/1700000000.000009",
        person=Person(addresses=(address("U1"),)),
        happened_at=1_700_000_000_000_009,
        thread=("C1:1700000000.000009", "C1/1700000000.000009"),
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
        assert item.thread == ("C1:1699999999.000001", "C1/1699999999.000001")
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


def test_the_other_side_of_a_thread_that_an_app_begins_is_the_channel() -> None:
    begun = read_one(message(bot_id="B1"))
    assert begun.person == Person(addresses=(Address("external_id", "C1", "T1"),))
    assert read_one(message(bot_id="B1", thread_ts="1.000001")).person is None
    assert read_one(message(bot_id="B1", channel="D1", channel_type="im")).person is None


def test_an_echo_carries_the_reference_of_our_send() -> None:
    metadata = {"event_type": "convolake_message", "event_payload": {"reference": "ref-1"}}
    assert read_one(message(bot_id="B1", metadata=metadata)).client_reference == "ref-1"
    foreign = {"event_type": "other", "event_payload": {"reference": "ref-1"}}
    assert read_one(message(bot_id="B1", metadata=foreign)).client_reference is None


def test_members_whom_the_account_names_are_agents() -> None:
    account = make_account(agent_users="U7,U8")
    assert read_one(message(user="U8"), account).author == "agent"
    deleted = message(subtype="message_deleted", previous_message={"user": "U8", "ts": "1.2"})
    found = read_one(deleted, account)
    assert isinstance(found, DeletionItem)
    assert (found.author, found.person) == ("agent", None)
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
        thread=("C1:1700000000.000100", "C1/1700000000.000100"),
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
        assert item.thread == ("C1:1700000000.000100", "C1/1700000000.000100")


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
