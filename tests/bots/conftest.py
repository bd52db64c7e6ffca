"""The API that takes the logs of bots: one for each test, with its clock, and one for each module."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.api_server import Installation
from tests.bots.otlp_bodies import JSON, Body
from tests.factories import Clock, Ids, create_store
from tests.installations import installed


@dataclass(frozen=True)
class BotApi:
    """The API, its application, its key and its clock."""

    client: TestClient
    app: FastAPI
    key: str
    clock: Clock

    def send(self, body: Body) -> Body:
        """Send a request in JSON; return its answer."""
        signal = "traces" if "resourceSpans" in body else "logs"
        response: httpx2.Response = self.client.post(f"/v1/{signal}", json=body, headers=JSON)
        assert response.status_code == 200, response.text
        answer: Body = response.json()
        return answer

    def convert(self, **later: float) -> None:
        """Store the events of the spans whose time has come, `later` or by default in two minutes."""
        self.clock.forward(**(later or {"minutes": 2}))
        assert self.client.portal is not None
        self.client.portal.call(self.app.state.context.otlp.convert_once)

    def conversations(self) -> list[str]:
        return [each["conversation_id"] for each in self._pages("/v1/conversations")]

    def events(self, conversation_id: str = "c1", *types: str) -> list[Body]:
        """Events of a conversation, of all types or of some."""
        path = f"/v1/conversations/{conversation_id}/events"
        return [each for each in self._pages(path) if not types or each["event_type"] in types]

    def messages(self, conversation_id: str = "c1") -> list[tuple[str, str]]:
        """Role and text of each message, in order."""
        return [
            (each["participant_role"], each["text"])
            for each in self.events(conversation_id, "message.created")
        ]

    def calls(self, conversation_id: str = "c1") -> list[dict[str, Any]]:
        """The calls of models, in order."""
        return [
            each["payload"]["model_call"]
            for each in self.events(conversation_id, "bot.turn_completed")
        ]

    def _pages(self, path: str) -> Iterator[Body]:
        page = self.client.get(path, params={"limit": 100}).json()
        yield from page["items"]
        while page.get("cursor"):
            page = self.client.get(path, params={"limit": 100, "cursor": page["cursor"]}).json()
            yield from page["items"]


@pytest.fixture
def bot_api(settings: Settings, clock: Clock) -> Iterator[BotApi]:
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    app = create_app(settings, clock, Ids())
    with TestClient(FastPathMiddleware(app), raise_server_exceptions=False) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield BotApi(client, app, key, clock)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An API on a socket with a local key, for conversations with names of their own."""
    with installed(tmp_path_factory.mktemp("bots")) as installation:
        yield installation
