"""`POST /v1/bots/{framework}`: records in, events in the log, each once, and each error named."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi.testclient import TestClient

from ingest.bots import LOGGERS
from ingest.settings import Settings
from tests.api_server import Installation
from tests.factories import make_key
from tests.test_api import open_conversation


def chat(text: str, answer: str, number: int, *before: dict[str, Any]) -> dict[str, Any]:
    """The request and the response of one turn, with the turns before it."""
    return {
        "conversation_id": "chat-1",
        "request": {"model": "gpt-5", "messages": [*before, {"role": "user", "content": text}]},
        "response": {
            "id": f"chatcmpl-{number}",
            "model": "gpt-5-2025",
            "created": 1_700_000_000 + number,
            "choices": [
                {"finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
            ],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 14,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        },
    }


FIRST = chat("Hello", "Hi!", 1)
SAID = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]
SECOND = chat("Where is it?", "On its way.", 2, *SAID)


def send(api: TestClient, records: Any, framework: str = "openai-chat") -> dict[str, Any]:
    answer = api.post(f"/v1/bots/{framework}", json=records)
    assert answer.status_code in (200, 207), answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(api: TestClient, conversation: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(
        f"/v1/conversations/{conversation}/events?limit=100"
    ).json()["items"]
    return found


def said(api: TestClient, conversation: str = "chat-1") -> list[tuple[str, str]]:
    items = api.get(f"/v1/conversations/{conversation}/messages").json()["items"]
    return [(each["participant_role"], each["text"]) for each in items]


def test_the_turns_of_a_chat_are_recorded_once_although_each_repeats_the_history(
    api: TestClient,
) -> None:
    assert send(api, FIRST)["accepted"] == 4  # the creation, two messages, the turn
    assert send(api, SECOND)["accepted"] == 3
    expected = [
        ("customer", "Hello"),
        ("bot", "Hi!"),
        ("customer", "Where is it?"),
        ("bot", "On its way."),
    ]
    assert said(api) == expected
    again = send(api, [SECOND, FIRST])
    assert (again["accepted"], again["conflict"], again["errors"]) == (0, 0, [])
    assert said(api) == expected


def test_a_turn_has_its_model_and_its_tokens(api: TestClient) -> None:
    send(api, FIRST)
    (turn,) = [each for each in events(api, "chat-1") if each["event_type"] == "bot.turn_completed"]
    assert turn["payload"]["model_call"] == {
        "model": "gpt-5-2025", "input_tokens": 10, "output_tokens": 4, "tokens": 14, "cached_tokens": 8,
        "reasoning_tokens": 3, "finish_reason": "stop", "response_id": "chatcmpl-1",
    }  # fmt: skip
    assert turn["visibility"] == "internal"


def test_a_failed_call_is_a_failed_turn(api: TestClient) -> None:
    failed = {"conversation_id": "chat-1", "messages": SAID[:1], "response": {"error": {"message": "overloaded"}}}  # fmt: skip
    send(api, failed)
    (turn,) = [each for each in events(api, "chat-1") if each["event_type"] == "bot.turn_failed"]
    assert turn["payload"]["reason"] == "overloaded"


def test_a_message_that_the_channel_recorded_is_not_recorded_again(api: TestClient) -> None:
    open_conversation(api, conversation_id="chat-1")
    api.post("/v1/conversations/chat-1/messages", json={"participant_id": "ada", "text": "Hello"})
    send(api, FIRST)
    assert said(api) == [("customer", "Hello"), ("bot", "Hi!")]


def test_the_rest_of_a_batch_is_recorded_and_each_error_names_its_record(api: TestClient) -> None:
    long = chat("x" * 300_000, "y", 3) | {"conversation_id": "long"}
    answer = api.post("/v1/bots/openai-chat", json=[FIRST, {"nothing": 1}, 5, long])
    assert answer.status_code == 207
    body = answer.json()
    assert [(each["record"], each["error"]["code"]) for each in body["errors"]] == [
        (1, "event_rejected"),
        (2, "event_rejected"),
        (3, "too_large"),
    ]
    assert body["records"] == 4
    assert said(api) == [("customer", "Hello"), ("bot", "Hi!")]
    stats = api.get("/v1/ingest-stats").json()["sources"]
    (own,) = [each for each in stats if each["received"]]
    assert own["received"] == own["accepted"] + own["duplicate"] + own["rejected"]
    assert own["rejected"] == 3


def test_ndjson_names_the_line_that_is_no_record(api: TestClient) -> None:
    body = b"\n".join([json.dumps(FIRST).encode(), b'{"cut', json.dumps(SECOND).encode()])
    answer = api.post(
        "/v1/bots/openai-chat", content=body, headers={"content-type": "application/x-ndjson"}
    )
    assert [(each["record"], each["error"]["code"]) for each in answer.json()["errors"]] == [
        (1, "malformed_body")
    ]
    assert len(said(api)) == 4


def test_a_body_that_is_no_json_is_kept_as_rejected(api: TestClient) -> None:
    answer = api.post("/v1/bots/rasa-x", content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_framework")
    answer = api.post("/v1/bots/openai-chat", content=b"[{]")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    (rejected,) = api.get("/v1/rejected").json()["items"]
    assert rejected["code"] == "malformed_body"


def test_the_examples_of_the_api_page_are_records(api: TestClient) -> None:
    for name, logger in LOGGERS.items():
        body = send(api, logger.example, name)
        assert body["accepted"] > 1, name
        assert body["errors"] == []
        again = send(api, logger.example, name)
        assert (again["accepted"], again["errors"]) == (0, []), name


def test_a_key_without_the_scope_import_gives_times_that_order_nothing(
    api: TestClient, settings: Settings
) -> None:
    key = make_key(settings, "events:write", "read")
    answer = api.post(
        "/v1/bots/openai-chat", json=FIRST, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200
    (message, _) = api.get("/v1/conversations/chat-1/messages").json()["items"]
    assert message["occurred_at"].startswith("2023-11-14T22:13:21")
    assert message["happened_at"] == message["received_at"]


def test_a_key_without_the_scope_to_record_facts_stores_nothing(
    api: TestClient, settings: Settings
) -> None:
    key = make_key(settings, "read")
    answer = api.post(
        "/v1/bots/openai-chat", json=FIRST, headers={"authorization": f"Bearer {key}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert api.get("/v1/conversations/chat-1").status_code == 404


def test_a_replay_reads_a_rejected_event_of_a_record_again(api: TestClient) -> None:
    """It is rejected again for the same reason, as one of `POST /v1/events` is."""
    errors = send(api, chat("zero \0", "y", 3))["errors"]
    assert [each["error"]["detail"] for each in errors] == ["U+0000 cannot be stored"]
    (rejected,) = api.get("/v1/rejected").json()["items"]
    answer = api.post(f"/v1/rejected/{rejected['rejected_id']}/replay")
    assert answer.json()["detail"] == "U+0000 cannot be stored"


def test_each_framework_has_conversations_of_its_own(api: TestClient) -> None:
    for name, logger in LOGGERS.items():
        send(api, logger.example, name)
    found = api.get("/v1/conversations?limit=100").json()["items"]
    assert len(found) == len(LOGGERS)


def test_records_at_the_same_moment_are_stored_once(installation: Installation) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: installation.post("/v1/bots/openai-chat", SECOND), range(16))
        )
    assert {each.status_code for each in answers} == {200}
    assert sum(each.json()["accepted"] for each in answers) == 6
    messages = installation.http.get("/v1/conversations/chat-1/messages").json()["items"]
    assert len(messages) == 4
