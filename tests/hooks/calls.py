"""A hook, and what is stored of the messages that it got."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.api_server import Installation, run_server
from tests.factories import Clock, Ids
from tests.webhook_receiver import Delivery

CARD = "my card is 4111 1111 1111 1111"


MASKED = "my card is ****"


def hook_answer(action: str, **more: Any) -> Callable[[Delivery], bytes]:
    return lambda _: json.dumps({"action": action} | more).encode()


def create_hook(
    installation: Installation, url: str, on_failure: str = "allow", **over: Any
) -> Any:
    body = {"url": url, "on_failure": on_failure} | over
    answer = installation.post("/v1/hooks", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def post_message(
    installation: Installation, text: str = CARD, conversation_id: str = "c1", **over: Any
) -> httpx2.Response:
    body = {"participant_id": "ada", "text": text} | over
    return installation.post(f"/v1/conversations/{conversation_id}/messages", body)


def messages(installation: Installation, conversation_id: str = "c1") -> list[dict[str, Any]]:
    """The messages since the conversation was created."""
    path = f"/v1/conversations/{conversation_id}/messages"
    found: list[dict[str, Any]] = installation.http.get(path).json()["items"]
    return found[2:]


def stats_balance(installation: Installation) -> dict[str, int]:
    stats = installation.http.get("/v1/ingest-stats").json()
    (mine,) = (each for each in stats["sources"] if each["source"] == "local")
    became = ("accepted", "duplicate", "conflict", "rejected")
    assert mine["received"] == sum(mine[name] for name in became)
    return {name: mine[name] for name in became}


def hook_results(installation: Installation) -> dict[str, int]:
    lines = installation.http.get("/metrics").text.splitlines()
    found = (each.split('"') for each in lines if each.startswith("convolake_hook_calls_total"))
    return {name: int(float(count.removeprefix("} "))) for _, name, count in found}


@contextmanager
def running(settings: Settings, clock: Clock, ids: str = "id") -> Iterator[Installation]:
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids(ids)))) as url:
        found = Installation(url, key, settings, clock)
        with found.http:
            yield found
