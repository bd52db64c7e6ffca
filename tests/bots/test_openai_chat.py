"""Records of OpenAI-style chats: whole conversations, requests, responses, flat texts."""

from typing import Any

import pytest

from ingest.bots import LOGGERS
from ingest.bots.base import Surroundings
from ingest.bots.bot_event import BotEvent, UnreadableRecordError


def read(*records: Any) -> list[BotEvent]:
    reader = LOGGERS["openai-chat"].open(Surroundings())
    return [part for each in records for part in reader(each) if isinstance(part, BotEvent)]


def said(found: list[BotEvent]) -> list[tuple[str, str | None]]:
    return [
        (each.speaker.role, each.text)
        for each in found
        if each.speaker and each.event_type == "message.created"
    ]


HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]
SAID = [("customer", "Hello"), ("bot", "Hi!")]

RECORDS: dict[str, Any] = {
    "messages": {"messages": HELLO},
    "a list": HELLO,
    "request and response": {
        "request": {"messages": HELLO[:1]},
        "response": {"choices": [{"message": HELLO[1]}]},
    },
    "a response that repeats its request": {
        "messages": HELLO[:1],
        "choices": [{"message": HELLO[1]}],
    },
    "the Responses API": {
        "object": "response", "id": "resp_1", "input": "Hello",
        "output": [{"type": "message", "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hi!"}]}],
    },
    "the Batch API": {
        "custom_id": "7", "body": {"messages": HELLO[:1]},
        "response": {"status_code": 200, "body": {"choices": [{"message": HELLO[1]}]}},
    },
    "ShareGPT": {
        "id": "7",
        "conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi!"}],
    },
    "a flat text": {"display": "user: Hello\nassistant: Hi!"},
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_every_kind_of_record_says_the_same(name: str) -> None:
    assert said(read(RECORDS[name])) == SAID


def test_a_flat_text_keeps_lines_and_its_tool_calls() -> None:
    flat = "user: Hello\nthere\nassistant: None\ntool: {}\n\nassistant: Hi!\n\nuser: Bye\n"
    found = read({"text": flat})
    assert said(found) == [("customer", "Hello\nthere"), ("bot", "Hi!\n"), ("customer", "Bye")]
    tools = [each for each in found if "tool" in each.event_type]
    assert [(each.event_type, each.payload) for each in tools] == [
        ("bot.tool_called", {}),
        ("custom.tool_returned", {"result": "{}\n"}),
    ]


def test_the_conversation_is_the_one_that_the_record_names() -> None:
    for record in (
        {"conversation_id": "c"},
        {"session_id": "c"},
        {"metadata": {"thread_id": "c"}},
        {"conversation": {"id": "c"}},
        {"request": {"conversation": "c", "messages": HELLO}},
    ):
        found = read({"messages": HELLO} | record)
        assert {each.conversation.conversation_id for each in found} == {"c"}, record


def test_equal_chats_without_an_id_are_one_and_others_are_others() -> None:
    ids = {
        each.conversation.conversation_id
        for record in ({"messages": HELLO}, {"messages": HELLO}, {"messages": HELLO[:1]})
        for each in read(record)
    }
    assert len(ids) == 2


def test_a_response_that_continues_another_repeats_nothing() -> None:
    def turn(number: int, previous: str | None) -> dict[str, Any]:
        return {
            "conversation_id": "c",
            "request": {"input": "yes", "previous_response_id": previous},
            "response": {"id": f"resp_{number}", "object": "response", "output": [HELLO[1]]},
        }

    found = read(turn(1, None), turn(2, "resp_1"), turn(2, "resp_1"))
    assert said(found) == [("customer", "yes"), ("bot", "Hi!"), ("customer", "yes"), ("bot", "Hi!")]


def test_times_are_those_of_the_request_and_of_the_response() -> None:
    record = {
        "created_at": "2025-01-01T10:00:00Z",
        "messages": HELLO[:1],
        "response": {"created": 1_735_725_605, "choices": [{"message": HELLO[1]}]},
    }
    times = [each.at.isoformat() for each in read(record) if each.at]
    assert times == [
        "2025-01-01T10:00:00+00:00",
        "2025-01-01T10:00:05+00:00",
        "2025-01-01T10:00:05+00:00",
    ]


def test_a_message_with_a_time_of_its_own_keeps_it() -> None:
    messages = [HELLO[0] | {"timestamp": 1_735_725_605}, HELLO[1]]
    found = read({"messages": messages, "created": 1_735_725_700})
    assert [each.has_own_time for each in found if each.text] == [True, False]


@pytest.mark.parametrize("record", [None, 5, "text", [], {}, {"messages": []}, {"a": "user: x"}])
def test_what_is_no_chat_is_an_error_with_its_reason(record: Any) -> None:
    with pytest.raises(UnreadableRecordError, match=r"chat|messages"):
        read(record)
