"""Hooks are called before a message is stored; they allow, modify or reject it, within a time limit."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.contract import from_micros
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, run_server, wait_until
from tests.factories import Clock, Ids, Record, make_conversation, make_event
from tests.test_egress import (
    drip,
    endless,
    reset_at_once,
    wait_for_the_end,
)
from tests.webhook_receiver import Delivery, Receiver, hostile, webhook_receiver

CARD = "my card is 4111 1111 1111 1111"
MASKED = "my card is ****"


pytestmark = pytest.mark.allows_loopback


@pytest.fixture
def receiver(receiver: Receiver) -> Receiver:
    receiver.answer = hook_answer("allow")
    return receiver


@pytest.fixture
def opened(installation: Installation) -> Installation:
    """An API with conversation c1 of ada, a customer, and helper, a bot; c2 is the same by email."""
    installation.post_events(
        make_conversation(messages=2) + make_conversation("c2", 2, channel="email")
    )
    return installation


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


# --- valid hook responses


def test_a_hook_gets_a_signed_request_and_an_allowed_message_is_stored_unchanged(
    opened: Installation, receiver: Receiver
) -> None:
    made = create_hook(opened, receiver.url)
    answer = post_message(opened, in_reply_to="c1-m1", payload={"language": "en"}, event_id="e1")
    assert answer.status_code == 201
    (call,) = receiver.accepted
    body = json.loads(call.body)
    assert body["type"] == "message.proposed"
    assert body["data"] == {
        "conversation_id": "c1",
        "channel": "web",
        "participant_id": "ada",
        "participant_role": "customer",
        "event_id": "e1",
        "in_reply_to": "c1-m1",
        "text": CARD,
        "payload": {"language": "en"},
    }
    at = from_micros(opened.clock())
    expected = Verifier(made["secret"]).sign(call.id, at, call.body.decode())
    assert call.headers["webhook-signature"] == expected
    (message,) = messages(opened)
    assert (message["text"], message["payload"]) == (CARD, {"language": "en"})
    assert hook_results(opened) == {"allowed": 1, "modified": 0, "rejected": 0, "failed": 0}


def test_a_modified_message_names_its_hook_and_the_original_text_is_not_stored(
    opened: Installation, receiver: Receiver
) -> None:
    made = create_hook(opened, receiver.url)
    receiver.answer = hook_answer("modify", text=MASKED)
    assert post_message(opened, payload={"language": "en"}).status_code == 201
    (message,) = messages(opened)
    assert message["text"] == MASKED
    assert message["payload"] == {"language": "en", "modified_by": [made["hook_id"]]}
    kept = [each.read_bytes() for each in opened.settings.data.glob("log.sqlite*")]
    assert not any(b"4111" in each for each in kept)
    assert hook_results(opened)["modified"] == 1


def test_a_rejected_message_is_counted_and_kept_with_the_reason(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url)
    receiver.answer = hook_answer("reject", reason="no card\x00 numbers\n please" + "!" * 500)
    answer = post_message(opened)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "rejected_by_hook")
    assert "no card numbers please!!!" in problem["detail"]
    assert len(problem["detail"]) < 300
    assert messages(opened) == []
    (kept,) = opened.http.get("/v1/rejected").json()["items"]
    assert (kept["code"], kept["detail"]) == ("rejected_by_hook", problem["detail"])
    assert json.loads(kept["raw"])["text"] == CARD
    assert stats_balance(opened)["rejected"] == 1
    assert hook_results(opened)["rejected"] == 1


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": ["x"]}, {"reason": ""}])
def test_a_rejection_counts_whatever_its_reason_is(
    opened: Installation, receiver: Receiver, reason: dict[str, Any]
) -> None:
    create_hook(opened, receiver.url, on_failure="allow")
    receiver.answer = hook_answer("reject", **reason)
    assert post_message(opened).json()["code"] == "rejected_by_hook"


# --- failures: on_failure decides


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


@contextmanager
def running(settings: Settings, clock: Clock, ids: str = "id") -> Iterator[Installation]:
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids(ids)))) as url:
        found = Installation(url, key, settings, clock)
        with found.http:
            yield found


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


# --- which messages call a hook


def test_hooks_are_called_for_posted_public_messages_only(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, on_failure="reject")
    opened.post_events([make_event(text="a fact"), make_event(event_id="e9")])
    assert post_message(opened, visibility="internal", participant_id="helper").status_code == 201
    assert post_message(opened, conversation_id="nowhere").json()["code"] == "unknown_conversation"
    assert post_message(opened, participant_id="stranger").status_code == 422
    path = "/v1/conversations/c1/messages/c1-m0"
    assert opened.http.patch(path, json={"text": "edited"}).status_code == 201
    assert receiver.attempts == []
    assert post_message(opened).status_code == 201
    assert len(receiver.attempts) == 1


def test_a_hook_is_called_for_its_roles_and_channels_only(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, roles=["bot"], channels=["email"])
    bot = {"participant_id": "helper", "control_epoch": 1}
    for conversation_id in ("c1", "c2"):
        assert post_message(opened, "hello", conversation_id).status_code == 201
        assert post_message(opened, "hello", conversation_id, **bot).status_code == 201
    (call,) = receiver.accepted
    assert call.event["conversation_id"] == "c2"
    assert call.event["participant_role"] == "bot"


def test_hooks_run_in_creation_order_and_each_gets_the_output_of_the_previous_one(
    opened: Installation, receiver: Receiver
) -> None:
    with webhook_receiver() as second, webhook_receiver() as third:
        made = [create_hook(opened, each.url) for each in (receiver, second, third)]
        receiver.answer = hook_answer("modify", text="one")
        third.answer = hook_answer("modify", text="three")
        second.answer = hook_answer("allow")
        assert post_message(opened).status_code == 201
        assert [each.accepted[0].event["text"] for each in (receiver, second, third)] == [
            CARD,
            "one",
            "one",
        ]
        (message,) = messages(opened)
        assert message["text"] == "three"
        ids = [made[0]["hook_id"], made[2]["hook_id"]]
        assert message["payload"]["modified_by"] == ids
        second.answer = hook_answer("reject", reason="no")
        assert post_message(opened).json()["code"] == "rejected_by_hook"
        assert len(third.attempts) == 1


# --- retries and replays


@pytest.mark.parametrize("names_event", [True, False])
def test_a_repeat_of_a_modified_message_gets_the_first_answer_without_a_hook_call(
    opened: Installation, receiver: Receiver, names_event: bool
) -> None:
    create_hook(opened, receiver.url, on_failure="reject")
    receiver.answer = hook_answer("modify", text=MASKED)
    path = "/v1/conversations/c1/messages"
    body = {"participant_id": "ada", "text": CARD}
    headers = {}
    if names_event:
        body["event_id"] = "e1"
    else:
        headers["idempotency-key"] = "k1"
    first = opened.post(path, body, **headers)
    assert first.status_code == 201
    receiver.answer = hook_answer("reject")
    again = opened.post(path, body, **headers)
    assert again.json()["sequence"] == first.json()["sequence"]
    if names_event:
        assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    else:
        assert (again.status_code, again.content) == (201, first.content)
    other = opened.post(path, body | {"text": "other"}, **headers)
    assert other.status_code == 409
    assert len(receiver.attempts) == 1
    assert len(messages(opened)) == 1
    assert stats_balance(opened) == {
        "accepted": 6 + 1, "duplicate": 1, "conflict": 1, "rejected": 0,
    }  # fmt: skip


def test_a_message_that_was_not_stored_calls_the_hook_again_with_the_same_id(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, on_failure="reject")
    receiver.answer = lambda _: 503
    assert post_message(opened, event_id="e1").status_code == 424
    receiver.answer = hook_answer("allow")
    assert post_message(opened, event_id="e1").status_code == 201
    first, again = receiver.attempts
    assert first.id == again.id
    assert post_message(opened, event_id="e2").status_code == 201
    assert receiver.attempts[-1].id != first.id


def test_a_replay_of_a_rejected_message_calls_the_hooks_again(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url)
    receiver.answer = hook_answer("reject", reason="no")
    assert post_message(opened, event_id="e1").status_code == 422
    (kept,) = opened.http.get("/v1/rejected").json()["items"]
    path = f"/v1/rejected/{kept['rejected_id']}/replay"
    answer = opened.post(path, None)
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_by_hook")
    receiver.answer = hook_answer("modify", text=MASKED)
    assert opened.post(path, None).status_code == 201
    assert [each["text"] for each in messages(opened)] == [MASKED]
    assert opened.post(path, None).json()["status"] == "duplicate"
    assert len(receiver.attempts) == 3
    assert stats_balance(opened)["rejected"] == 2


def test_a_message_created_with_its_conversation_does_not_bypass_hooks(
    installation: Installation, receiver: Receiver
) -> None:
    create_hook(installation, receiver.url, on_failure="reject")
    receiver.answer = hook_answer("reject")
    people = [{"participant_id": "ada", "participant_role": "customer"}]

    async def open_and_post(http: httpx2.AsyncClient, number: int) -> int:
        name = f"new-{number}"
        opening = {"channel": "web", "conversation_id": name, "participants": people}
        message = {"participant_id": "ada", "text": CARD}
        opened, answer = await asyncio.gather(
            http.post("/v1/conversations", json=opening),
            http.post(f"/v1/conversations/{name}/messages", json=message),
        )
        assert opened.status_code == 201
        return int(answer.status_code)

    async def open_and_post_all() -> set[int]:
        headers = dict(installation.http.headers)
        async with httpx2.AsyncClient(
            base_url=installation.url, headers=headers, timeout=60
        ) as http:
            return set(
                await asyncio.gather(*(open_and_post(http, number) for number in range(200)))
            )

    assert asyncio.run(open_and_post_all()) <= {404, 422, 424}
    rows = Record(installation.settings, installation.clock).log(
        "select 1 from events where event_type = 'message.created'"
    )
    assert rows == []


def test_a_message_retried_after_a_hook_failure_is_not_stored_twice_by_a_replay(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, on_failure="reject")
    receiver.answer = lambda _: 503
    body = {"participant_id": "ada", "text": CARD}
    path = "/v1/conversations/c1/messages"
    named = {"idempotency-key": "k1"}
    assert opened.http.post(path, json=body, headers=named).status_code == 424
    assert opened.http.post(path, json=body).status_code == 424
    receiver.answer = hook_answer("allow")
    assert opened.http.post(path, json=body, headers=named).status_code == 201
    nameless, keyed = opened.http.get("/v1/rejected").json()["items"]
    for kept, first in ((keyed, "duplicate"), (nameless, "accepted")):
        again = f"/v1/rejected/{kept['rejected_id']}/replay"
        assert opened.post(again, None).json()["status"] == first
        assert opened.post(again, None).json()["status"] == "duplicate"
    assert len(messages(opened)) == 2


# --- slow hooks


def test_a_slow_hook_delays_no_other_message_and_sequence_is_commit_order(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, timeout_ms=2000, on_failure="allow")
    held = threading.Event()

    def answer(call: Delivery) -> bytes:
        if call.event["text"] == "slow":
            held.wait(1.5)
        return b'{"action": "allow"}'

    receiver.answer = answer
    answers: list[httpx2.Response] = []
    path = f"{opened.url}/v1/conversations/c1/messages"
    body = {"participant_id": "ada", "text": "slow"}
    headers = dict(opened.http.headers)
    posting = threading.Thread(
        target=lambda: answers.append(httpx2.post(path, json=body, headers=headers, timeout=WAIT))
    )
    posting.start()
    wait_until(lambda: len(receiver.attempts) == 1, WAIT, "the hook is called for the slow message")
    assert post_message(opened, "elsewhere", "c2").status_code == 201
    assert post_message(opened, "quick").status_code == 201
    assert answers == []
    held.set()
    posting.join()
    assert answers[0].status_code == 201
    assert [each["text"] for each in messages(opened)] == ["quick", "slow"]


def test_a_bot_message_allowed_after_a_handover_is_rejected(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url)

    def answer(_: Delivery) -> bytes:
        opened.post_events(
            [
                make_event("handoff.requested", handoff_id="h1"),
                make_event("handoff.accepted", handoff_id="h1", participant_id="mira"),
            ]
        )
        return b'{"action": "allow"}'

    receiver.answer = answer
    assert (
        post_message(opened, participant_id="helper", control_epoch=1).json()["code"]
        == "stale_epoch"
    )


# --- managing hooks


def test_during_a_secret_rotation_both_secrets_verify(
    opened: Installation, receiver: Receiver
) -> None:
    made = create_hook(opened, receiver.url)
    path = f"/v1/hooks/{made['hook_id']}"
    changed = opened.post(f"{path}/rotate", None).json()
    post_message(opened)
    opened.clock.forward(hours=25)
    post_message(opened)
    first, later = (each.headers["webhook-signature"].split() for each in receiver.accepted)
    assert (len(first), len(later)) == (2, 1)
    assert made["secret"] != changed["secret"]
    assert "whsec" not in opened.http.get("/v1/hooks").text


def test_hooks_survive_a_restart_and_are_not_called_after_removal(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    with running(settings, clock) as installation:
        installation.post_events(make_conversation(messages=2))
        made = create_hook(installation, receiver.url)
    with running(settings, clock, "later") as installation:
        post_message(installation)
        assert len(receiver.attempts) == 1
        path = f"/v1/hooks/{made['hook_id']}"
        assert installation.http.get(path).json()["url"] == receiver.url
        assert installation.http.delete(path).status_code == 204
        assert installation.http.get(path).status_code == 404
        assert installation.http.get("/v1/hooks").json() == {"items": []}
        post_message(installation)
        assert len(receiver.attempts) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"on_failure": "ignore"},
        {"on_failure": "allow", "timeout_ms": 49},
        {"on_failure": "allow", "timeout_ms": 2001},
        {"on_failure": "allow", "roles": ["robot"]},
        {"on_failure": "allow", "url": "ftp://example.com/"},
        {"on_failure": "allow", "url": "https://a:b@example.com/"},
    ],
)
def test_a_hook_without_its_required_fields_is_rejected(
    installation: Installation, body: dict[str, Any]
) -> None:
    answer = installation.post("/v1/hooks", {"url": "https://guard.example/"} | body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_key_of_one_channel_creates_and_sees_hooks_of_that_channel_only(
    opened: Installation, receiver: Receiver
) -> None:
    engine = open_engine(opened.settings.database_url)
    grant = Grant(frozenset({"webhooks:admin", "read"}), channels=frozenset({"email"}))
    headers = {"authorization": f"Bearer {create_key(engine, 'mail', 1, grant)}"}
    everywhere = create_hook(opened, receiver.url)
    body: dict[str, Any] = {"url": receiver.url, "on_failure": "allow"}
    rejected = opened.post("/v1/hooks", body | {"channels": ["web"]}, **headers)
    assert rejected.status_code == 403
    assert opened.post("/v1/hooks", body, **headers).json()["channels"] == ["email"]
    items = opened.http.get("/v1/hooks", headers=headers).json()["items"]
    assert [each["channels"] for each in items] == [["email"]]
    path = f"/v1/hooks/{everywhere['hook_id']}"
    assert opened.http.delete(path, headers=headers).status_code == 404
    assert opened.post(f"{path}/rotate", None, **headers).status_code == 404


def test_hooks_are_not_called_for_forbidden_messages(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url)
    engine = open_engine(opened.settings.database_url)
    grant = Grant(frozenset({"conversations:write"}), channels=frozenset({"email"}))
    headers = {"authorization": f"Bearer {create_key(engine, 'mail', 1, grant)}"}
    body = {"participant_id": "ada", "text": "hello"}
    answer = opened.post("/v1/conversations/c1/messages", body, **headers)
    assert answer.status_code == 404
    customer = {"authorization": f"Bearer {opened.token('c1')}"}
    forged = {"participant_id": "helper", "text": "I am the bot"}
    answer = opened.post("/v1/conversations/c1/messages", forged, **customer)
    assert answer.status_code == 403
    assert receiver.attempts == []
    assert opened.post("/v1/conversations/c1/messages", body, **customer).status_code == 201
    assert len(receiver.attempts) == 1
