"""WebSockets and long polls deliver events in order and without a gap, also after a long absence."""

import json
import socket
import threading
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.delivery.live import broadcaster
from ingest.delivery.live.protocol import MAX_CLIENT_FRAME_BYTES, CloseCode
from ingest.log.cursor import encode_cursor
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, run_server, wait_until
from tests.factories import Clock, Ids, make_conversation, make_event


def frame(subscriber: ClientConnection) -> dict[str, Any]:
    received: dict[str, Any] = json.loads(subscriber.recv(WAIT))
    return received


def receive_events(subscriber: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Return the next `count` events."""
    events: list[dict[str, Any]] = []
    while len(events) < count:
        received = frame(subscriber)
        if received["type"] == "event":
            events.append(received["event"])
    return events


def close_code(subscriber: ClientConnection) -> int | None:
    """Read until the server closes the socket, and return its close code."""
    try:
        while True:
            subscriber.recv(WAIT)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


def sequences(events: list[dict[str, Any]]) -> list[int]:
    return [each["sequence"] for each in events]


def test_a_subscriber_gets_past_events_and_then_new_ones(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=2))
    with installation.listen() as subscriber:
        assert sequences(receive_events(subscriber, 4)) == [1, 2, 3, 4]
        assert frame(subscriber) == {"type": "live", "after_sequence": 4}
        installation.post_events([make_event(text="Hello?")])
        (event,) = receive_events(subscriber, 1)
        assert event["sequence"] == 5
        assert event["text"] == "Hello?"


def test_the_socket_sends_the_same_event_as_the_events_route(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=1))
    with installation.listen("/v1/conversations/c1/live?after_sequence=3") as subscriber:
        assert frame(subscriber)["type"] == "live"
        installation.post_events([make_event(payload={"mood": "cross"})])
        (event,) = receive_events(subscriber, 1)
    page = installation.http.get("/v1/conversations/c1/events?after_sequence=3").json()
    assert event.pop("control") == {"owner": "none", "participant_id": None, "epoch": 1}
    assert page["items"] == [event]


def test_a_subscriber_that_reconnects_misses_no_event(installation: Installation) -> None:
    count = 3 * broadcaster.PAGE_EVENTS
    installation.post_events(make_conversation(messages=count))
    with installation.listen("/v1/conversations/c1/live?after_sequence=7") as subscriber:
        assert sequences(receive_events(subscriber, count + 2 - 7)) == list(range(8, count + 3))


def test_a_burst_larger_than_the_buffer_arrives_complete_and_in_order(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=1))
    burst = 3 * broadcaster.MAX_BUFFERED_EVENTS
    with installation.listen("/v1/conversations/c1/live?after_sequence=3") as subscriber:
        assert frame(subscriber)["type"] == "live"
        installation.post_events([make_event(text=f"{number}") for number in range(burst)])
        assert sequences(receive_events(subscriber, burst)) == list(range(4, 4 + burst))


def test_two_sockets_on_one_conversation_get_the_same_frames(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=1))
    with installation.listen() as first, installation.listen() as second:
        installation.post_events([make_event(text="both?")])
        assert receive_events(first, 4) == receive_events(second, 4)


def test_with_many_writers_every_subscriber_gets_sequences_1_to_n(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=0))
    all_received: list[list[int]] = []

    def listen() -> None:
        with installation.listen() as subscriber:
            all_received.append(sequences(receive_events(subscriber, 202)))

    def write() -> None:
        for _ in range(5):
            installation.post_events([make_event() for _ in range(10)])

    threads = [threading.Thread(target=each) for each in (listen, write, listen, write)]
    threads += [threading.Thread(target=each) for each in (write, listen, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all_received == [list(range(1, 203))] * 3


def test_a_customer_gets_hidden_events_as_a_sequence_without_content(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=1))
    installation.post_events([make_event(visibility="internal", text="a difficult one")])
    with installation.listen(token=installation.token("c1")) as subscriber:
        events = receive_events(subscriber, 4)
        assert events[-1] == {"sequence": 4, "withheld": True}
        installation.post_events([make_event(visibility="internal", text="again")])
        assert receive_events(subscriber, 1) == [{"sequence": 5, "withheld": True}]


def test_a_subscriber_gets_all_typing_participants_and_when_they_stop(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=1))
    with installation.listen("/v1/conversations/c1/live?after_sequence=3") as subscriber:
        assert frame(subscriber)["type"] == "live"
        installation.http.put("/v1/conversations/c1/typing/ada", json={"seconds": 30})
        typing = frame(subscriber)
        assert typing["type"] == "typing"
        assert [each["participant_id"] for each in typing["items"]] == ["ada"]
        installation.http.delete("/v1/conversations/c1/typing/ada")
        assert frame(subscriber) == {"type": "typing", "items": []}


def test_an_idle_subscriber_of_a_conversation_gets_heartbeats_with_its_sequence(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.api.routes.live.HEARTBEAT_SECONDS", 0.01)
    installation.post_events(make_conversation(messages=1))
    with installation.listen("/v1/conversations/c1/live?after_sequence=3") as subscriber:
        assert frame(subscriber)["type"] == "live"
        assert frame(subscriber) == {"type": "heartbeat", "after_sequence": 3}


def test_a_log_subscriber_gets_all_conversations_in_log_order(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=1))
    with installation.listen("/v1/live") as subscriber:
        assert [each["position"] for each in receive_events(subscriber, 3)] == [1, 2, 3]
        assert frame(subscriber) == {"type": "live", "after": encode_cursor({0: 3})}
        installation.post_events(make_conversation("c2", messages=1))
        assert {each["conversation_id"] for each in receive_events(subscriber, 3)} == {"c2"}


def test_an_agent_token_gets_its_own_conversations_only(installation: Installation) -> None:
    token = installation.token("c2", view="all", participant_id="mira")
    installation.post_events(make_conversation(messages=1) + make_conversation("c2", messages=1))
    with installation.listen("/v1/live", token=token) as subscriber:
        assert {each["conversation_id"] for each in receive_events(subscriber, 3)} == {"c2"}


def test_a_key_of_one_channel_gets_live_events_of_that_channel_only(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=1))
    installation.post_events(make_conversation("c2", messages=1, channel="email"))
    installation.key = create_key(
        open_engine(installation.settings.database_url),
        "mail",
        1,
        Grant(channels=frozenset({"email"})),
    )
    with installation.listen("/v1/live") as subscriber:
        assert {each["conversation_id"] for each in receive_events(subscriber, 3)} == {"c2"}
    with pytest.raises(InvalidStatus, match="404"):
        installation.listen()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("hello", CloseCode.SEND_ONLY),
        ("x" * (MAX_CLIENT_FRAME_BYTES + 1), CloseCode.MESSAGE_TOO_BIG),
    ],
)
def test_a_socket_that_sends_data_is_closed(
    installation: Installation, data: str, code: int
) -> None:
    installation.post_events(make_conversation(messages=0))
    with installation.listen() as subscriber:
        subscriber.send(data)
        assert close_code(subscriber) == code


def test_a_stopping_server_asks_its_subscribers_to_reconnect(
    settings: Settings, clock: Clock
) -> None:
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids()))) as url:
        installation = Installation(url, key, settings, clock)
        with installation.http:
            installation.post_events(make_conversation(messages=0))
            subscriber = installation.listen()
    with subscriber:
        assert close_code(subscriber) == CloseCode.SERVICE_RESTART


def test_an_expired_token_closes_its_socket(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.api.routes.live.HEARTBEAT_SECONDS", 0.01)
    installation.post_events(make_conversation(messages=0))
    with installation.listen(token=installation.token("c1", seconds=60)) as subscriber:
        assert frame(subscriber)["type"] == "event"
        installation.clock.forward(seconds=61)
        assert close_code(subscriber) == CloseCode.CREDENTIALS_EXPIRED


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/v1/conversations/none/live", "", 404),
        ("/v1/conversations/c2/live", "ada", 404),
        ("/v1/conversations/c1/live", "garbage", 401),
        ("/v1/live", "ada", 403),
        ("/v1/conversations/c1/live?after_sequence=-1", "", 422),
        ("/v1/conversations/c1/live?after_sequence=x", "", 422),
    ],
)
def test_a_forbidden_subscriber_gets_the_reason_before_the_socket_opens(
    installation: Installation, path: str, token: str, status: int
) -> None:
    installation.post_events(make_conversation(messages=0) + make_conversation("c2", messages=0))
    tokens = {"": None, "ada": installation.token("c1"), "garbage": "eyJhbGciOiJub25lIn0.e30."}
    with pytest.raises(InvalidStatus) as rejected:
        installation.listen(path, tokens[token])
    assert rejected.value.response.status_code == status
    assert json.loads(rejected.value.response.body or b"")["status"] == status


@pytest.mark.parametrize(
    "query", ["after_sequence=2", "%61fter_sequence=2", "after_sequence=+2&x=1"]
)
@pytest.mark.parametrize("conversation_id", ["c1", "C024BE91L/1355517523.000005"])
def test_a_socket_begins_where_its_query_says_however_it_is_written(
    installation: Installation, query: str, conversation_id: str
) -> None:
    installation.post_events(make_conversation(conversation_id, messages=2))
    path = f"/v1/conversations/{quote(conversation_id, safe='')}/live?{query}"
    with installation.listen(path) as subscriber:
        assert sequences(receive_events(subscriber, 2)) == [3, 4]
        assert frame(subscriber) == {"type": "live", "after_sequence": 4}


def test_a_websocket_from_another_origin_is_rejected(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=0))
    with pytest.raises(InvalidStatus, match="403"):
        installation.listen(origin="https://evil.example")
    with installation.listen(origin=installation.url) as subscriber:
        assert receive_events(subscriber, 1)


def test_a_long_poll_is_answered_when_an_event_arrives(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=0))
    answers: list[Any] = []

    def poll() -> None:
        path = "/v1/conversations/c1/events?after_sequence=1&wait=20"
        answers.append(installation.http.get(path, timeout=WAIT + 5).json())

    thread = threading.Thread(target=poll)
    thread.start()
    installation.post_events([make_event(text="now")])
    thread.join(WAIT)
    assert 2 in sequences(answers[0]["items"])


def test_a_long_poll_with_an_event_available_does_not_wait(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=1))
    answer = installation.http.get("/v1/conversations/c1/events?wait=30", timeout=5)
    assert sequences(answer.json()["items"]) == [1, 2, 3]


def listeners(installation: Installation) -> int:
    text = installation.http.get("/metrics").text
    return int(float(text.rpartition("convolake_live_listeners ")[2].split()[0]))


def test_a_stalled_subscriber_is_disconnected_while_others_get_all_events(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.api.server.STALLED_SECONDS", 0.2)
    installation.post_events(make_conversation(messages=0))
    port = int(installation.url.rpartition(":")[2])
    with installation.listen(max_queue=None) as healthy, socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(("127.0.0.1", port))
        stalled = installation.listen(sock=narrow, max_queue=1)
        wait_until(lambda: listeners(installation) == 2, WAIT, "two subscribers")
        text = "x" * 200_000
        count = 0
        while listeners(installation) == 2:
            installation.post_events([make_event(text=text)])
            count += 1
            assert count < 500
        events = receive_events(healthy, 2 + count)
        assert sequences(events) == list(range(1, count + 3))
        stalled.socket.close()


def test_disconnected_subscribers_are_removed_from_memory(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=0))
    for _ in range(3):
        with installation.listen() as listener:
            assert receive_events(listener, 1)
    installation.http.get("/v1/conversations/c1/events")
    wait_until(lambda: listeners(installation) == 0, WAIT, "no subscriber is left")


def test_an_idle_log_subscriber_gets_heartbeats_with_its_cursor(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.api.routes.live.HEARTBEAT_SECONDS", 0.01)
    token = installation.token("c2", view="all", participant_id="mira")
    installation.post_events(make_conversation(messages=1))
    with installation.listen("/v1/live", token=token) as subscriber:
        while (received := frame(subscriber)) != {
            "type": "heartbeat",
            "after": encode_cursor({0: 3}),
        }:
            assert received["type"] in ("live", "heartbeat")


def test_a_long_poll_does_not_end_on_typing(installation: Installation) -> None:
    installation.post_events(make_conversation(messages=1))
    answers: list[Any] = []

    def poll() -> None:
        path = "/v1/conversations/c1/events?after_sequence=3&wait=20"
        answers.append(installation.http.get(path, timeout=WAIT + 5).json())

    thread = threading.Thread(target=poll)
    thread.start()
    wait_until(lambda: listeners(installation) == 1, WAIT, "the waiting poll")
    installation.http.put("/v1/conversations/c1/typing/ada", json={"seconds": 30})
    installation.post_events([make_event(text="now")])
    thread.join(WAIT)
    assert sequences(answers[0]["items"]) == [4]
