"""Chat messages of every common library are read as the same messages."""

import json
from typing import Any

import pytest

from ingest.bots.chat_messages import ChatMessage, ToolCall, ToolResult, parsed, read_chat

ARGUMENTS = {"city": "Tokyo"}
WEATHER = ToolCall("get_weather", ARGUMENTS, "call_1")
SUNNY = ToolResult("sunny", "call_1")

NOTATIONS: dict[str, list[Any]] = {
    "OpenAI Chat Completions": [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant", "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function",
                 "function": {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ],
    "OpenAI Responses": [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "call_1", "id": "fc_1", "name": "get_weather",
         "arguments": json.dumps(ARGUMENTS)},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "message", "role": "assistant",
         "content": [{"type": "output_text", "text": "It is sunny."}]},
    ],
    "Anthropic": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "A tool knows."},
            {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": ARGUMENTS}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1",
             "content": [{"type": "text", "text": "sunny"}]}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It is sunny."}]},
    ],
    "Gemini": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "get_weather", "args": ARGUMENTS, "id": "call_1"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "get_weather", "id": "call_1", "response": "sunny"}}]},
        {"role": "model", "parts": [{"text": "private", "thought": True}, {"text": "It is sunny."}]},
    ],
    "LangChain": [
        {"type": "human", "content": "Weather?"},
        {"type": "ai", "content": "", "additional_kwargs": {"tool_calls": []},
         "tool_calls": [{"name": "get_weather", "args": ARGUMENTS, "id": "call_1"}]},
        {"type": "tool", "content": "sunny", "tool_call_id": "call_1"},
        {"type": "ai", "content": "It is sunny."},
    ],
    "Vercel AI SDK": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": [
            {"type": "tool-call", "toolCallId": "call_1", "toolName": "get_weather",
             "input": ARGUMENTS}]},
        {"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": "call_1", "toolName": "get_weather",
             "output": {"type": "text", "value": "sunny"}}]},
        {"role": "assistant", "content": "It is sunny."},
    ],
    "OpenTelemetry": [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [
            {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": ARGUMENTS}]},
        {"role": "tool", "parts": [
            {"type": "tool_call_response", "id": "call_1", "response": "sunny"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "It is sunny."}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", NOTATIONS)
def test_every_notation_says_the_same(name: str) -> None:
    messages = read_chat(NOTATIONS[name])
    assert [(each.role, each.text) for each in messages if each.text] == [
        ("user", "Weather?"),
        ("assistant", "It is sunny."),
    ]
    assert [call for each in messages for call in each.tool_calls] == [WEATHER]
    results = [result for each in messages for result in each.tool_results]
    assert [(each.text, each.call_id) for each in results] == [("sunny", "call_1")]


@pytest.mark.parametrize("name", NOTATIONS)
def test_a_conversation_in_json_text_or_in_an_object_is_the_same(name: str) -> None:
    given = NOTATIONS[name]
    expected = read_chat(given)
    assert read_chat(json.dumps(json.dumps(given))) == expected
    assert read_chat({"model": "m", "messages": given}) == expected


def test_an_openai_response_gives_the_message_of_its_choice() -> None:
    message = {"role": "assistant", "content": "Hello", "tool_calls": None}
    assert read_chat({"choices": [{"index": 0, "message": message}]}) == [
        ChatMessage("assistant", "Hello")
    ]


def test_a_text_alone_has_the_role_that_the_caller_names() -> None:
    assert read_chat("Hello", "assistant") == [ChatMessage("assistant", "Hello")]


def test_sharegpt_names_its_roles_otherwise() -> None:
    given = [{"from": "human", "value": "Who are you?"}, {"from": "gpt", "value": "A model."}]
    assert read_chat(given) == [
        ChatMessage("user", "Who are you?"),
        ChatMessage("assistant", "A model."),
    ]


def test_images_become_attachments_without_the_bytes_inside_a_request() -> None:
    content = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "https://shop.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    (message,) = read_chat([{"role": "user", "content": content}])
    assert message.text == "See"
    assert message.attachments == (
        {"url": "https://shop.example/a.png", "name": "image_url"},
        {"content_type": "image/png", "name": "image_url"},
    )


def test_arguments_that_are_no_json_stay_as_they_are() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": '{"city": "Tok'}}
    (message,) = read_chat([{"role": "assistant", "tool_calls": [call]}])
    assert message.tool_calls == (ToolCall("f", '{"city": "Tok', "c"),)


@pytest.mark.parametrize("value", [None, 5, True, [], {}, [None, 7], {"role": "user"}, "", "[]"])
def test_what_is_no_message_gives_none(value: Any) -> None:
    assert read_chat(value) == []


@pytest.mark.parametrize("text", ["{", '"7"', "[1", "12", "true", "{x}"])
def test_a_text_that_only_looks_like_json_stays_a_text(text: str) -> None:
    assert str(parsed(text)).strip('"') == text.strip('"')


@pytest.mark.parametrize("stated", [[], {}, ["text"], 1, None])
def test_a_type_that_is_no_text_is_no_type(stated: object) -> None:
    part = {"type": stated, "text": "Hi"}
    assert [each.text for each in read_chat([{"role": "user", "content": [part]}])] == ["Hi"]
    assert [each.text for each in read_chat({"messages": [part]})] == ["Hi"]
