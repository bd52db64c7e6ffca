"""Telegram: a message reaches its chat, and each failure is told from the others."""

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
from ingest.channels.telegram.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.telegram import TelegramApi, telegram_api
from tests.channels.telegram_calls import ACCOUNT, ADA_PERSON, NOW, make_account


@pytest.fixture(scope="module")
def server() -> Iterator[TelegramApi]:
    with telegram_api() as api:
        yield api


@pytest.fixture
def api(server: TelegramApi) -> TelegramApi:
    url, path = server.url, server.path
    server.__init__()  # type: ignore[misc]
    server.url, server.path = url, path
    return server


def post(api: TelegramApi, account: Account | None = None, **fields: Any) -> list[Interpretation]:
    out = OutboundMessage(reference="ref-1", now=NOW, **fields)
    requests = ADAPTER.render(out, ADA_PERSON, account or make_account(api_url=api.url))
    assert not isinstance(requests, Unsendable), requests
    return [ADAPTER.interpret(send(each)) for each in requests]


def test_a_message_is_sent_to_its_chat_as_a_reply(api: TelegramApi) -> None:
    assert post(api, text="hé 漢", thread=["-100:9"], in_reply_to="-100/5") == [Sent("-100/1")]
    (sent,) = api.sent
    assert (sent["chat_id"], sent["message_thread_id"], sent["text"]) == (-100, 9, "hé 漢")
    assert sent["reply_parameters"] == {"message_id": 5, "allow_sending_without_reply": True}


def test_the_chat_is_that_of_the_thread_or_the_answered_message_or_the_person(
    api: TelegramApi,
) -> None:
    post(api, text="a", thread=["23@bc1"])
    post(api, text="b", in_reply_to="-100/5")
    post(api, text="c", in_reply_to="callback/9")
    post(api, text="d", thread=["23", "-100:9"], in_reply_to="23/5")
    assert [each["chat_id"] for each in api.sent] == [23, -100, 23, 23]
    assert api.sent[0]["business_connection_id"] == "bc1"
    assert ["reply_parameters" in each for each in api.sent] == [False, True, False, True]


def test_a_long_text_is_sent_in_parts_of_4096_utf16_units(api: TelegramApi) -> None:
    text = "👩🏽\u200d🚀" * 2000
    results = post(api, text=text, in_reply_to="23/5", buttons=[Choice("Yes")])
    assert len(results) == len(api.sent) > 2
    assert all(isinstance(each, Sent) for each in results)
    assert "".join(each["text"] for each in api.sent) == text
    assert all(len(each["text"]) % 4 == 0 for each in api.sent)
    assert ["reply_parameters" in each for each in api.sent] == [True] + [False] * (
        len(results) - 1
    )
    assert ["reply_markup" in each for each in api.sent] == [False] * (len(results) - 1) + [True]


def test_a_short_text_is_the_caption_of_its_only_file(api: TelegramApi) -> None:
    photo = Attachment(url="https://a.example/a.png", content_type="image/png")
    paper = Attachment(url="https://a.example/a.pdf", content_type="application/pdf")
    post(api, text="see", attachments=[photo])
    post(api, text="é" * 1025, attachments=[paper])
    post(api, text="both", attachments=[photo, paper])
    sent = [(each["method"], each.get("caption", each.get("text"))) for each in api.sent]
    assert sent == [
        ("sendPhoto", "see"),
        ("sendMessage", "é" * 1025),
        ("sendDocument", None),
        ("sendMessage", "both"),
        ("sendPhoto", None),
        ("sendDocument", None),
    ]


def test_choices_become_buttons(api: TelegramApi) -> None:
    choices = [Choice("Yes", "y"), Choice("Site", url="https://a.example"), Choice("Wörter")]
    (result,) = post(api, text="Sure?", quick_replies=choices)
    assert isinstance(result, Sent)
    rows = api.sent[0]["reply_markup"]["inline_keyboard"]
    assert rows == [
        [{"text": "Yes", "callback_data": "y"}],
        [{"text": "Site", "url": "https://a.example"}],
        [{"text": "Wörter", "callback_data": "Wörter"}],
    ]


def test_a_flood_is_sent_again_after_the_wait_that_the_body_names(api: TelegramApi) -> None:
    api.wait = 35
    assert post(api, text="a") == [Retry("there are too many requests", 35)]


def test_blocked_unknown_and_upgraded_chats_are_rejected(api: TelegramApi) -> None:
    api.blocked_by, api.upgraded = {23}, {-100: -1001}
    assert post(api, text="a") == [
        Rejected("the user has blocked the bot, or it is not in the chat", "403")
    ]
    assert post(api, text="a", thread=["42"]) == [
        Rejected("the provider rejected the message with status 400", "400")
    ]
    (moved,) = post(api, text="a", thread=["-100"])
    assert isinstance(moved, Rejected)
    assert moved.reason == "the group has become a supergroup with another id"
    wrong = msgspec.structs.replace(make_account(api_url=api.url), secrets={"bot_token": ("1:x",)})
    assert post(api, wrong, text="a") == [Retry("the credentials are not accepted")]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(502, b"<html>"), Unknown("the provider's server failed with status 502")),
        (
            Reply(500, b'{"ok": false, "error_code": 500, "description": "Internal"}'),
            Unknown("the provider's server failed with status 500"),
        ),
        (Reply(429, b"", {"Retry-After": "9"}), Retry("there are too many requests", 9)),
        (Reply(200, b"[]"), Unknown("an answer without a result")),
        (Reply(200, b'{"ok": true, "result": true}'), Sent(None)),
        (Reply(413, b""), Rejected("the provider rejected the message with status 413")),
    ],
)
def test_failures_are_told_apart(api: TelegramApi, reply: Reply, expected: Interpretation) -> None:
    api.next_reply = reply
    assert post(api, text="a") == [expected]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "neither text nor attachments"),
        ({"text": " \n"}, "neither text nor attachments"),
        ({"attachments": [Attachment(name="a")]}, "an attachment has no URL"),
        ({"text": "a", "buttons": [Choice("x")] * 101}, "more than 100 buttons"),
        (
            {"text": "a", "buttons": [Choice("x", "é" * 33)]},
            "the value of a button is longer than 64 bytes",
        ),
    ],
)
def test_a_message_that_telegram_never_takes_is_not_sent(
    fields: dict[str, Any], reason: str
) -> None:
    result = ADAPTER.render(OutboundMessage(reference="r", now=NOW, **fields), ADA_PERSON, ACCOUNT)
    assert isinstance(result, Unsendable)
    assert result.reason == reason


def test_without_a_token_or_a_place_nothing_is_sent() -> None:
    out = OutboundMessage(reference="r", now=NOW, text="a")
    bare = msgspec.structs.replace(ACCOUNT, secrets={})
    assert ADAPTER.render(out, ADA_PERSON, bare) == Unsendable("the account has no bot_token")
    stranger = Person(addresses=(Address("email", "a@b.example"),))
    assert isinstance(ADAPTER.render(out, stranger, ACCOUNT), Unsendable)
