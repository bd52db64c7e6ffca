"""Calls of Slack for tests: an account, events and interactions."""

import json
from typing import Any
from urllib.parse import urlencode

from ingest.channels.base import (
    Account,
    Address,
    Inbound,
)
from ingest.channels.slack.adapter import ADAPTER

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
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
