"""A support conversation between a customer, a bot and an agent, and every place that shows it."""

import json
import os
import subprocess
import sys
from typing import Any

import polars as pl
import pytest

from convolake.stories.omnichannel import Story
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.clock import wall_clock
from ingest.manifest import read_manifest
from ingest.settings import Settings
from tests.api_server import Installation, run_server
from tests.dashboard_app import show_page
from tests.factories import Clock, Ids, Record

TEXTS = [
    "Where is my order 4711?",
    "I am looking into it.",
    "Hello, this is Mira. It left our house this morning.",
    "It has come, but it is broken. Photo attached.",
    "I am looking into it.",
]


class Played:
    """A played story: its events from the API, its events from a socket, and its record."""

    def __init__(self, page: list[dict[str, Any]], received: list[dict[str, Any]], record: Record):
        self.page = page
        self.received = received
        self.record = record


@pytest.fixture
def played(settings: Settings, clock: Clock) -> Played:
    near = Settings(data=settings.data, webhook_networks={"127.0.0.0/8"})
    key = get_or_create_local_key(near, clock())
    with run_server(FastPathMiddleware(create_app(near, clock, Ids()))) as url:
        running = Installation(url, key, near, clock)
        with running.http as http:
            story = Story(http, "order-4711", lambda: clock.forward(days=3), lambda _: None)
            path = f"/v1/conversations/{story.play()}"
            page = http.get(f"{path}/events?limit=100").json()["items"]
            with running.listen(f"{path}/live") as socket:
                received = [json.loads(socket.recv(20))["event"] for _ in page]
    record = Record(near, clock)
    record.seal()
    record.load()
    return Played(page, received, record)


@pytest.mark.long
def test_the_story_is_the_same_in_api_socket_parquet_warehouse_and_dashboard(
    played: Played, monkeypatch: pytest.MonkeyPatch, audit_api: Installation
) -> None:
    conversation_id = played.page[0]["conversation_id"]
    assert [each["sequence"] for each in played.page] == list(range(1, len(played.page) + 1))
    assert {each.pop("control")["owner"] for each in played.received} == {"bot"}
    assert played.received == played.page

    said = [each["text"] for each in played.page if each["event_type"] == "message.created"]
    assert said == TEXTS

    lake = played.record.settings.lake_path
    files = [lake / each.path for each in read_manifest(lake)[0]]
    rows = pl.concat([pl.read_parquet(each) for each in files]).filter(
        pl.col("conversation_id") == conversation_id
    )
    assert rows.sort("sequence")["event_id"].to_list() == [each["event_id"] for each in played.page]

    query = played.record.query
    found = query("select text from messages order by sequence")
    assert [each["text"] for each in found] == TEXTS
    assert len({each["session_id"] for each in query("from sessions")}) == 2
    assert len(query("from conversations")) == 1
    (handoff,) = query("from handoffs")
    assert handoff["accepted_at"] is not None

    for name, value in audit_api.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONVOLAKE_DATA", str(played.record.settings.data))
    app = show_page("conversations", conversation=conversation_id)
    shown = " ".join(each.value for each in app.text)
    assert all(text in shown for text in TEXTS)


def test_an_email_days_later_reopens_the_conversation_with_a_new_session(
    played: Played,
) -> None:
    kinds = [each["event_type"] for each in played.page]
    assert kinds.count("session.started") == 2
    assert kinds.count("session.ended") == 1
    assert "conversation.reopened" in kinds
    assert [
        (each["participant_id"], each["channel"])
        for each in played.page
        if each["event_type"] == "message.created"
    ] == [
        ("ada", "whatsapp"),
        ("helper", "whatsapp"),
        ("mira", "whatsapp"),
        ("ada", "email"),
        ("helper", "email"),
    ]


def test_the_simulate_command_plays_the_story_and_prints_each_step(settings: Settings) -> None:
    near = Settings(data=settings.data, webhook_networks={"127.0.0.0/8"})
    key = get_or_create_local_key(near, wall_clock())
    with run_server(FastPathMiddleware(create_app(near))) as url:
        environment = os.environ | {
            "CONVOLAKE_DATA": str(near.data),
            "CONVOLAKE_API_URL": url,
            "CONVOLAKE_API_KEY": key,
        }
        done = subprocess.run(
            [sys.executable, "-m", "convolake", "simulate", "--story", "omnichannel"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "409 stale_epoch" in done.stdout + done.stderr
