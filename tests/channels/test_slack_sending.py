"""Slack: a message reaches its channel and thread, and each failure is told from the others."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from convolake.loopback_server import Reply
from ingest.channels.base import (
    Account,
    Address,
    Choice,
    Interpretation,
    OutboundMessage,
    Person,
    Rejected,
    Retry,
    Sent,
    Unknown,
    Unsendable,
)
from ingest.channels.slack.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.slack_calls import ACCOUNT, NOW, address, make_account, message, read_one
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.slack import SlackApi, slack_api

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
    assert post(api, text="hé <!channel> & 漢", thread=["C1:1700000000.000100"]) == [
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


def test_a_reply_names_the_root_of_its_thread_and_no_other_message(api: SlackApi) -> None:
    first = ["C1/1.000003", "C1/1.000001", "C1:1.000001"]
    second = ["G1/2.000001", "G1:2.000001", "G1/2.000009"]
    post(api, text="to the newest", thread=[*first, *second])
    post(api, text="to a root", thread=[*first, *second], in_reply_to="C1/1.000001")
    post(api, text="to a reply", thread=[*first, *second], in_reply_to="C1/1.000003")
    post(api, text="below our own", thread=["C1/3.000001"])
    places = [(each["channel"], each["thread_ts"]) for each in api.posted]
    assert places == [
        ("G1", "2.000001"),
        ("C1", "1.000001"),
        ("C1", "1.000001"),
        ("C1", "3.000001"),
    ]


def test_a_long_text_is_posted_in_parts_that_slack_takes(api: SlackApi) -> None:
    text = "".join(f"{n} <&> 👩🏽\u200d🚀 " for n in range(1000))
    results = post(api, text=text, thread=["C1:1700000000.000100"])
    assert len(results) > 2
    assert all(isinstance(each, Sent) for each in results)
    joined = "".join(each["text"] for each in api.posted)
    assert joined.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_buttons_and_images_become_blocks(api: SlackApi) -> None:
    buttons = [Choice("Yes", "yes"), Choice("Site", url="https://a.example"), Choice("t" * 80)]
    image = Attachment(url="https://a.example/a.png", content_type="image/png", name="a.png")
    paper = Attachment(url="https://a.example/b.pdf", content_type="application/pdf", name="b.pdf")
    (result,) = post(
        api, text="Sure?", quick_replies=buttons, attachments=[image, paper], thread=["C1:1.000001"]
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
    (only_image,) = post(api, attachments=[image], thread=["C1:1.000001"])
    assert isinstance(only_image, Sent)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"thread": ["C9:1.000001"]}, Rejected("channel_not_found", "channel_not_found")),
        ({"thread": ["G1:1.000001"]}, Rejected("is_archived", "is_archived")),
    ],
)
def test_a_place_that_does_not_take_messages_is_rejected(
    api: SlackApi, change: dict[str, Any], expected: Rejected
) -> None:
    api.archived.add("G1")
    assert post(api, text="a", **change) == [expected]


def test_a_message_waits_for_a_new_token(api: SlackApi) -> None:
    account = make_account(api_url=api.url)
    wrong = msgspec.structs.replace(account, secrets={"bot_token": ("xoxb-bad",)})
    assert post(api, wrong, text="a") == [Retry("invalid_auth")]
    [sent] = post(api, account, text="a")
    assert isinstance(sent, Sent)


@pytest.mark.parametrize(
    "error", ["account_inactive", "not_authed", "token_expired", "token_revoked"]
)
def test_an_error_that_a_new_token_repairs_is_tried_again(api: SlackApi, error: str) -> None:
    api.next_reply = Reply(200, msgspec.json.encode({"ok": False, "error": error}))
    assert post(api, text="a") == [Retry(error)]


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


def test_a_channel_is_a_place_to_send_to(api: SlackApi) -> None:
    channel = Person(addresses=(Address("external_id", "C1", "T1"),))
    out = OutboundMessage(reference="r", now=NOW, text="a")
    requests = ADAPTER.render(out, channel, make_account(api_url=api.url))
    assert not isinstance(requests, Unsendable)
    assert [ADAPTER.interpret(send(each)) for each in requests] == [Sent("C1/1700000000.000000")]
