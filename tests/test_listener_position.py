"""Where and when a listener resumes after it loses its socket, tested without a socket."""

import json

import httpx2
import pytest

from ingest.client.answers import Problem
from ingest.client.listening import ListenerPosition
from ingest.client.outcomes import ProblemError, UnreachableError
from ingest.client.retries import RetryPolicy

URL = "https://convolake.example"
LOST = UnreachableError(URL, httpx2.ConnectError("lost"))


def new_position(conversation_id: str | None = "c1", after: int = 4) -> ListenerPosition:
    policy = RetryPolicy(retries=2, clock=lambda: 0.0, jitter=lambda: 0.0)
    return ListenerPosition(conversation_id, after, policy.for_listeners())


def test_the_position_moves_to_the_last_received_event() -> None:
    position = new_position()
    assert position.receive(json.dumps({"type": "event", "event": {"sequence": 5}})) == {
        "sequence": 5
    }
    assert position.url(URL) == (
        "wss://convolake.example/v1/conversations/c1/live?after_sequence=5"
    )


def test_a_heartbeat_moves_the_position() -> None:
    position = new_position(conversation_id=None)
    assert position.receive(json.dumps({"type": "heartbeat", "after": "W1swLDcwXV0"})) is None
    assert position.url(URL) == "wss://convolake.example/v1/live?after=W1swLDcwXV0"


def test_a_frame_without_a_position_does_not_move_it() -> None:
    position = new_position()
    assert position.receive(json.dumps({"type": "typing", "items": []})) is None
    assert position.url(URL).endswith("?after_sequence=4")


def test_reconnects_never_stop_and_back_off_until_a_frame_arrives() -> None:
    position = new_position()
    pauses = [position.pause_after(LOST) for _ in range(2000)]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert pauses[-1] == 0.4
    position.receive(json.dumps({"type": "live", "after_sequence": 4}))
    assert position.pause_after(LOST) == 0.1


def test_a_forbidden_listener_does_not_reconnect() -> None:
    with pytest.raises(ProblemError, match="forbidden"):
        new_position().pause_after(
            ProblemError(Problem(status=403, code="forbidden", detail="no such scope"))
        )
