"""Repeats and replays of messages that a hook got, and slow hooks."""

import asyncio
import threading

import httpx2
import pytest

from tests.api_server import WAIT, Installation, wait_until
from tests.factories import Record, make_event
from tests.hooks.calls import (
    CARD,
    MASKED,
    create_hook,
    hook_answer,
    messages,
    post_message,
    stats_balance,
)
from tests.webhook_receiver import Delivery, Receiver

pytestmark = pytest.mark.allows_loopback


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
