"""A client that sends slowly, or nothing, is disconnected after a timeout; others are served meanwhile."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.api_server import WAIT, Installation
from tests.factories import make_conversation, make_event

HEAD = b"POST /v1/conversations/c1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the server's timeouts."""
    monkeypatch.setattr("ingest.api.server.HEADER_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr("ingest.api.server.BODY_TIMEOUT_SECONDS", 0.6)


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    """Yield one byte at a time."""
    for number in range(len(data)):
        yield data[number : number + 1]


def send_slowly(installation: Installation, pieces: Iterator[bytes]) -> bytes:
    """Send pieces with pauses; return the response when the server closes the connection."""
    ended = threading.Event()
    port = int(installation.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as slow:

        def send_pieces() -> None:
            for piece in pieces:
                if ended.wait(0.02):
                    return
                try:
                    slow.sendall(piece)
                except OSError:
                    return

        sender = threading.Thread(target=send_pieces)
        sender.start()
        answer = b""
        try:
            while data := slow.recv(4096):
                answer += data
        except ConnectionError:
            pass
        finally:
            ended.set()
            sender.join(WAIT)
    return answer


@pytest.mark.parametrize(
    "kind",
    ["a head sent byte by byte", "a body sent byte by byte", "half a head", "nothing at all"],
)
def test_a_slow_client_is_disconnected_while_others_are_served(
    installation: Installation, kind: str
) -> None:
    installation.post_events(make_conversation(messages=0))
    head = HEAD + installation.key.encode() + b"\r\nContent-Length: 100000\r\n\r\n"
    pieces = {
        "a head sent byte by byte": byte_by_byte(HEAD + b"x" * 100_000),
        "a body sent byte by byte": iter([head, *byte_by_byte(b" " * 100_000)]),
        "half a head": iter([HEAD]),
        "nothing at all": iter([b""]),
    }[kind]
    answers: list[bytes] = []
    slow = threading.Thread(target=lambda: answers.append(send_slowly(installation, pieces)))
    slow.start()
    served = 0
    while slow.is_alive():
        installation.post_events([make_event()])
        served += 1
        assert served < 20_000
    assert answers[0].startswith(b"HTTP/1.1 408 ")
    assert served > 1


def test_a_truncated_body_stores_no_event(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=0))
    head = HEAD + installation.key.encode() + b"\r\nContent-Length: 100000\r\n\r\n"
    body = b'{"participant_id": "ada", "participant_role": "customer", "text": "hello"}'
    send_slowly(installation, iter([head, body]))
    page = installation.http.get("/v1/conversations/c1/messages").json()
    assert page["items"] == []


def test_a_client_that_pauses_between_requests_is_served(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=0))
    for _ in range(3):
        assert installation.http.get("/v1/conversations/c1").status_code == 200
