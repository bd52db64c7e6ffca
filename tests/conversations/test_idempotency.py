"""A repeated request gets the first answer, and what came too early waits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient

from tests.conversation_calls import (
    post_message,
    read,
    run_due_timers,
    stats_of,
    types,
)
from tests.factories import Clock


def test_the_same_key_and_body_get_the_first_answer_again_byte_for_byte(
    opened: TestClient,
) -> None:
    body = {"participant_id": "ada", "text": "once"}
    url, headers = "/v1/conversations/c1/messages", {"idempotency-key": "k 1"}
    first = opened.post(url, json=body, headers=headers)
    again = opened.post(url, json=body, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = opened.post(url, json=body | {"text": "twice"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "event_conflict")
    assert [each["text"] for each in read(opened, "/c1/messages")["items"]] == ["once"]


def test_a_create_with_the_same_idempotency_key_returns_the_same_conversation(
    api: TestClient,
) -> None:
    headers = {"idempotency-key": "open"}
    answers = {
        api.post("/v1/conversations", json={"channel": "web"}, headers=headers).content
        for _ in range(3)
    }
    assert len(answers) == 1
    assert len(read(api, "")["items"]) == 1


def test_a_hundred_concurrent_repeats_give_one_event_and_one_answer(opened: TestClient) -> None:
    body, headers = {"participant_id": "ada", "text": "once"}, {"idempotency-key": "storm"}
    url = "/v1/conversations/c1/messages"
    with ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(opened.post, url, json=body, headers=headers) for _ in range(100)]
        answers = {each.result().content for each in sent}
    assert len(answers) == 1
    assert Counter(types(opened))["message.created"] == 1


def test_a_single_event_with_an_idempotency_key_is_replayed_like_any_write(
    opened: TestClient,
) -> None:
    event = {"event_type": "custom.seen", "conversation_id": "c1"}
    headers = {"idempotency-key": "k"}
    first, again = (opened.post("/v1/events", json=event, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotent-replayed"] == "true"


def test_an_idempotency_key_and_an_event_id_exclude_each_other(opened: TestClient) -> None:
    body = {"participant_id": "ada", "text": "x", "event_id": "e1"}
    headers = {"idempotency-key": "k"}
    for url in ("/v1/conversations/c1/messages", "/v1/conversations/c1/participants/ada"):
        method = "POST" if url.endswith("messages") else "PATCH"
        given = body if method == "POST" else {"event_id": "e1"}
        answer = opened.request(method, url, json=given, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (422, "$.event_id")


def test_an_event_received_before_its_message_is_parked_and_released(opened: TestClient) -> None:
    early = [
        {"event_type": kind, "event_id": f"e-{kind}", "conversation_id": "c1", "message_id": "m1",
         "participant_id": "helper", "text": "edited"}
        for kind in ("message.delivered", "message.edited")
    ]  # fmt: skip
    first = opened.post("/v1/events", json=early).json()
    assert [each["status"] for each in first["results"]] == ["parked", "parked"]
    assert opened.post("/v1/events", json=early).json()["duplicate"] == 2
    assert "message.edited" not in types(opened)
    stats = stats_of(opened)
    assert (stats["parked"], stats["received"]) == (2, 5)
    post_message(opened, message_id="m1")
    assert types(opened)[-3:] == ["message.created", "message.delivered", "message.edited"]
    found = read(opened, "/c1/messages/m1")
    assert (found["text"], found["receipts"][0]["status"]) == ("edited", "delivered")
    again = opened.post("/v1/events", json=early).json()["results"]
    assert [each["sequence"] for each in again] == [4, 5]
    stats = stats_of(opened)
    assert (stats["parked"], stats["accepted"], stats["duplicate"]) == (0, 4, 4)


def test_an_expired_parked_event_is_rejected_with_its_reason(
    opened: TestClient, clock: Clock
) -> None:
    early = {"event_type": "message.read", "conversation_id": "c1", "message_id": "never"}
    assert opened.post("/v1/events", json=early).status_code == 202
    clock.forward(hours=25)
    run_due_timers(opened)
    (found,) = opened.get("/v1/rejected").json()["items"]
    assert (found["code"], found["detail"]) == (
        "unknown_message",
        "its message did not arrive in time",
    )
    stats = stats_of(opened)
    assert (stats["parked"], stats["rejected"]) == (0, 1)
