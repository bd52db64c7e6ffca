"""A conversation is written as spans, and a new instance that takes them has the same messages."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from convolake.cli import app as cli
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.bots.conftest import BotApi
from tests.bots.dialect_spans import requests_of
from tests.bots.otlp_bodies import Body
from tests.factories import Clock, Ids, create_store, make_event


@pytest.fixture
def other_api(tmp_path: Path, clock: Clock) -> Iterator[BotApi]:
    """A new instance, with a data folder of its own."""
    settings = Settings(data=tmp_path / "other")
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    app = create_app(settings, clock, Ids())
    with TestClient(FastPathMiddleware(app)) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield BotApi(client, app, key, clock)


@pytest.fixture
def print_spans(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the command prints for a conversation of the first instance."""
    monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
    if settings.store_url is not None:
        monkeypatch.setenv("CONVOLAKE_STORE_URL", settings.store_url)

    def run(conversation_id: str) -> Body:
        printed = CliRunner().invoke(cli, ["otlp", conversation_id])
        assert printed.exit_code == 0, printed.output
        found: Body = json.loads(printed.output)
        return found

    return run


def timed(api: BotApi, conversation_id: str = "c1") -> list[tuple[Any, ...]]:
    """Time, role and text of each message."""
    return [
        (each["happened_at"], each["participant_role"], each["text"])
        for each in api.events(conversation_id, "message.created")
    ]


@pytest.mark.parametrize("dialect", ["genai", "openinference"])
def test_a_conversation_that_a_bot_logged_is_written_with_its_times_tools_and_calls(
    bot_api: BotApi, other_api: BotApi, print_spans: Any, dialect: str
) -> None:
    for request in requests_of(dialect):
        bot_api.send(request)
    bot_api.convert()
    other_api.send(print_spans("c1"))
    other_api.convert()
    assert bot_api.messages() == other_api.messages()
    assert timed(bot_api)[-1] == timed(other_api)[-1]
    assert bot_api.calls() == other_api.calls()
    for kind in ("bot.tool_called", "custom.tool_returned"):
        (first,), (second,) = bot_api.events("c1", kind), other_api.events("c1", kind)
        for field in ("tool", "call_id", "arguments", "result"):
            assert first["payload"].get(field) == second["payload"].get(field)


def test_a_conversation_of_a_channel_is_written_with_its_messages(
    bot_api: BotApi, other_api: BotApi, print_spans: Any
) -> None:
    """Two messages in a row, the same words twice, an agent, a note, an edit, a deletion, an open question."""
    bot = {"participant_id": "helper", "participant_role": "bot"}
    mira = {"participant_id": "mira", "participant_role": "agent"}
    events = [
        make_event("conversation.created"),
        make_event(text="Hello", message_id="m1"),
        make_event(text="Are you there?", message_id="m2"),
        make_event(text="Yes", message_id="m3", **bot),
        make_event(text="Yes", message_id="m4"),
        make_event(text="A note", message_id="m5", visibility="internal", **mira),
        make_event(text="I am Mira", message_id="m6", **mira),
        make_event(text="oops", message_id="m7", **mira),
        make_event("message.deleted", message_id="m7", **mira),
        make_event("message.edited", message_id="m6", text="I am Mira.", **mira),
        make_event(text="Thank you", message_id="m8"),
    ]
    assert bot_api.client.post("/v1/events", json=events).status_code == 200
    other_api.send(print_spans("c1"))
    other_api.convert()
    assert other_api.messages() == [
        ("customer", "Hello"),
        ("customer", "Are you there?"),
        ("bot", "Yes"),
        ("customer", "Yes"),
        ("bot", "I am Mira."),
        ("customer", "Thank you"),
    ]
    assert other_api.calls() == []


def test_a_conversation_that_is_replayed_where_it_is_brings_nothing_new(
    bot_api: BotApi, print_spans: Any
) -> None:
    for request in requests_of("genai"):
        bot_api.send(request)
    bot_api.convert()
    before = Counter(bot_api.messages())
    bot_api.send(print_spans("c1"))
    bot_api.convert()
    assert Counter(bot_api.messages()) == before


def test_an_unknown_conversation_is_an_error(
    bot_api: BotApi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
    assert CliRunner().invoke(cli, ["otlp", "nowhere"]).exit_code == 2
