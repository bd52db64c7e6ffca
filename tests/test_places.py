"""A place beyond the end is an error that names the newest place; a stop answers those who wait."""

import json
import signal
import threading
import time
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.log.cursor import encode_cursor
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, wait_until
from tests.factories import Clock, create_store, free_port, make_conversation
from tests.faults.processes import running


def denied(installation: Installation, path: str) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as caught:
        installation.listen(path)
    body: dict[str, Any] = json.loads(caught.value.response.body)
    assert caught.value.response.status_code == body["status"] == 422
    return body


def test_a_socket_does_not_open_beyond_the_last_sequence(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=2))
    problem = denied(installation, "/v1/conversations/c1/live?after_sequence=99")
    assert (problem["code"], problem["last_sequence"]) == ("place_beyond_end", 4)


@pytest.mark.parametrize("cursor", [{0: 99}, {7: 1}])
def test_a_socket_of_the_log_does_not_open_beyond_its_end(
    installation: Installation, cursor: dict[int, int]
) -> None:
    installation.post_events(make_conversation(messages=2))
    problem = denied(installation, f"/v1/live?after={encode_cursor(cursor)}")
    assert (problem["code"], problem["cursor"]) == ("place_beyond_end", encode_cursor({0: 4}))


@pytest.mark.parametrize("path", ["events?wait=20&after_sequence=99", "messages?after_sequence=99"])
def test_a_page_beyond_the_last_sequence_is_an_error_at_once(
    installation: Installation, path: str
) -> None:
    installation.post_events(make_conversation(messages=2))
    answer = installation.http.get(f"/v1/conversations/c1/{path}", timeout=5)
    assert (answer.status_code, answer.json()["last_sequence"]) == (422, 4)
    end = installation.http.get("/v1/conversations/c1/events?after_sequence=4")
    assert end.json()["items"] == []


def test_a_webhook_does_not_start_beyond_the_end_of_the_log(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=2))
    body = {"url": "https://bot.example/hook", "after": encode_cursor({0: 99})}
    problem = installation.post("/v1/webhooks", body).json()
    assert (problem["code"], problem["field"]) == ("place_beyond_end", "body.after")
    assert problem["cursor"] == encode_cursor({0: 4})


def test_a_stop_answers_the_long_polls_and_the_process_exits_within_5_seconds(
    settings: Settings, clock: Clock
) -> None:
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    served = settings.model_copy(update={"port": free_port()})
    answers: list[httpx2.Response] = []
    with (
        running(served) as process,
        Client(served.url, key) as waiting,
        httpx2.Client(base_url=served.url, headers={"authorization": f"Bearer {key}"}) as client,
    ):
        waiting.wait_until_ready()
        waiting.create_conversation("web", conversation_id="c1")

        def poll() -> None:
            path = "/v1/conversations/c1/events?wait=30&after_sequence=2"
            answers.append(client.get(path, timeout=WAIT))

        thread = threading.Thread(target=poll)
        thread.start()
        wait_until(
            lambda: "convolake_live_listeners 1" in client.get("/metrics").text, WAIT, "a poll"
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT)
        seconds = time.monotonic() - began
        thread.join()
    assert (answers[0].status_code, answers[0].json()["items"]) == (200, [])
    assert seconds < 5
