"""What happens to a message when its hook fails."""

import socket
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingest.settings import Settings
from tests.api_server import Installation
from tests.factories import Clock, make_conversation
from tests.hooks.calls import (
    CARD,
    create_hook,
    hook_results,
    messages,
    post_message,
    running,
    stats_balance,
)
from tests.test_egress import (
    drip,
    endless,
    reset_at_once,
    wait_for_the_end,
)
from tests.webhook_receiver import Receiver, hostile

pytestmark = pytest.mark.allows_loopback


BAD_ANSWERS: list[Any] = [
    500,
    503,
    404,
    204,
    201,
    (302, {"location": "http://169.254.169.254/"}),
    (307, {"location": "/hook"}),
    b"",
    b"{",
    b"null",
    b"[]",
    b'"allow"',
    b"\xff\xfe",
    b'{"action": "permit"}',
    b'{"action": null}',
    b'{"text": "x"}',
    b'{"action": "modify"}',
    b'{"action": "modify", "text": 7}',
    b'{"action": "modify", "text": null}',
    b'{"action": "modify", "text": "a\\u0000b"}',
    b'{"action": "modify", "text": "\\ud800"}',
    b'{"action": "modify", "text": "' + b"x" * 300_000 + b'"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("on_failure", ["allow", "reject"])
def test_an_invalid_hook_response_is_a_failure(
    opened: Installation, receiver: Receiver, on_failure: str
) -> None:
    create_hook(opened, receiver.url, on_failure)
    for number, answer in enumerate(BAD_ANSWERS, 1):
        receiver.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        response = post_message(opened)
        if on_failure == "allow":
            assert response.status_code == 201, answer
        else:
            assert response.json()["code"] == "hook_failed", answer
        assert len(receiver.attempts) == number, answer
        assert hook_results(opened)["failed"] == number, answer
    stored = messages(opened)
    assert [each["text"] for each in stored] == [CARD] * (
        len(BAD_ANSWERS) if on_failure == "allow" else 0
    )
    assert not any("modified_by" in (each.get("payload") or {}) for each in stored)
    assert stats_balance(opened)["rejected"] == len(BAD_ANSWERS) - len(stored)
    (shown,) = opened.http.get("/v1/hooks").json()["items"]
    assert shown["last_failure"]


def assert_on_failure(answer: httpx2.Response, installation: Installation, on_failure: str) -> None:
    if on_failure == "allow":
        assert answer.status_code == 201, answer.text
        (message,) = messages(installation)
        assert message["text"] == CARD
        assert "modified_by" not in (message.get("payload") or {})
    else:
        assert (answer.status_code, answer.json()["code"]) == (424, "hook_failed")
        assert answer.json()["retryable"] is True
        assert messages(installation) == []
        assert stats_balance(installation)["rejected"] == 1
        (kept,) = installation.http.get("/v1/rejected").json()["items"]
        assert kept["code"] == "hook_failed"


def drip_a_response(each: socket.socket) -> None:
    each.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for byte in b'{"action": "allow"' + b" " * 1000:
        each.sendall(bytes([byte]))
        time.sleep(0.02)


def allow_with_status_201(each: socket.socket) -> None:
    each.sendall(b'HTTP/1.1 201 Created\r\ncontent-length: 19\r\n\r\n{"action": "allow"}')


def modify_with_status_500(each: socket.socket) -> None:
    answer = b'{"action": "modify", "text": "another"}'
    each.sendall(b"HTTP/1.1 500 No\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)


def cut_off(each: socket.socket) -> None:
    each.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"action": "allow"}')
    each.close()


@pytest.mark.parametrize("on_failure", ["allow", "reject"])
@pytest.mark.parametrize(
    "behave",
    [
        wait_for_the_end,
        drip,
        drip_a_response,
        endless,
        cut_off,
        allow_with_status_201,
        modify_with_status_500,
        reset_at_once,
        lambda each: each.sendall(b"garbage\r\n\r\n"),
        lambda each: each.sendall(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000),
    ],
)
def test_a_hostile_hook_takes_no_longer_than_its_timeout(
    opened: Installation, behave: Any, on_failure: str
) -> None:
    with hostile(behave) as (url, connections):
        create_hook(opened, url, on_failure, timeout_ms=300)
        started = time.monotonic()
        answer = post_message(opened)
        assert time.monotonic() - started < 3
        assert len(connections) == 1
    assert_on_failure(answer, opened, on_failure)


@pytest.mark.parametrize("on_failure", ["allow", "reject"])
def test_a_hook_in_a_private_network_is_not_called(
    tmp_path: Path, clock: Clock, on_failure: str
) -> None:
    # A network is trusted, so plain http and any port are allowed, but this machine is not in it.
    far = Settings(data=tmp_path / "data", webhook_networks={"10.99.0.0/16"})
    with hostile(lambda _: None) as (url, connections), running(far, clock) as installation:
        installation.post_events(make_conversation(messages=2))
        for host in ("127.0.0.1", "localhost", "0x7f.1"):
            create_hook(installation, url.replace("127.0.0.1", host), on_failure)
        assert_on_failure(post_message(installation), installation, on_failure)
        assert connections == []


def test_all_hooks_together_have_a_time_limit(
    opened: Installation, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.hooks.runner.TOTAL_SECONDS", 0.4)
    with hostile(wait_for_the_end) as (url, connections):
        for _ in range(5):
            create_hook(opened, url, timeout_ms=300)
        create_hook(opened, receiver.url)
        started = time.monotonic()
        assert post_message(opened).status_code == 201
        assert time.monotonic() - started < 1.5
        assert 2 <= len(connections) <= 3  # the last moment may be enough to connect
    assert receiver.attempts == []  # no time was left for it, which counts as a failure
    assert hook_results(opened)["failed"] == 6
