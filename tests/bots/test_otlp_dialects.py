"""Every instrumentation's names give the same conversation: messages, tool calls, calls of the model."""

import json
from typing import Any

import pytest

from tests.bots import dialect_spans as exchange
from tests.bots.conftest import BotApi
from tests.bots.dialect_spans import DIALECTS, TOOL_SPANS, requests_of
from tests.bots.otlp_bodies import chat, genai, make_log, make_logs, make_span, make_traces


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_exchange_with_a_tool_is_the_same_in_every_dialect(
    bot_api: BotApi, dialect: str
) -> None:
    for request in requests_of(dialect):
        bot_api.send(request)
    bot_api.convert()
    assert bot_api.conversations() == ["c1"]
    assert bot_api.messages() == [
        ("system", exchange.SYSTEM),
        ("customer", exchange.ASKED),
        ("bot", exchange.ANSWERED),
    ]
    (called,) = bot_api.events("c1", "bot.tool_called")
    assert called["payload"]["tool"] == exchange.TOOL
    assert called["payload"]["call_id"] == exchange.CALL_ID
    assert called["payload"]["arguments"] == exchange.ARGUMENTS
    (returned,) = bot_api.events("c1", "custom.tool_returned")
    assert returned["payload"]["tool"] == exchange.TOOL
    assert returned["payload"]["result"] == exchange.RESULT
    if dialect in TOOL_SPANS:
        assert returned["payload"]["seconds"] == 1.0
    types = [each["event_type"] for each in bot_api.events()]
    assert types.index("bot.tool_called") < types.index("custom.tool_returned")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_call_has_its_tokens_its_times_and_why_it_ended_in_every_dialect(
    bot_api: BotApi, dialect: str
) -> None:
    for request in requests_of(dialect):
        bot_api.send(request)
    bot_api.convert()
    first, last = bot_api.calls()
    for call in (first, last):
        assert call["model"] == "small"
        assert (call["input_tokens"], call["cached_tokens"]) == (20, 8)
        assert (call["output_tokens"], call["reasoning_tokens"]) == (9, 4)
        assert call["latency_seconds"] == 1.0
        if dialect in ("genai", "vercel"):
            assert call["first_chunk_seconds"] == 0.25
    assert (first["finish_reason"], last["finish_reason"]) == ("tool_calls", "stop")


def test_the_details_of_an_operation_are_read_from_a_log_record(bot_api: BotApi) -> None:
    plain = genai([], []) | {"gen_ai.input.messages": "[]", "gen_ai.output.messages": "[]"}
    bot_api.send(make_traces([make_span(1, 1, attributes=plain)]))
    details = {
        "gen_ai.input.messages": [chat("Hello")],
        "gen_ai.output.messages": [chat("Good day", "assistant")],
    }
    name = "gen_ai.client.inference.operation.details"
    bot_api.send(make_logs([make_log(1, 1, name, "", attributes=details)]))
    bot_api.convert()
    assert bot_api.messages() == [("customer", "Hello"), ("bot", "Good day")]
    assert len(bot_api.calls()) == 1


def test_log_records_that_come_before_their_span_and_after_it_are_joined_with_it(
    bot_api: BotApi,
) -> None:
    traces, logs = requests_of("log_records")
    bot_api.send(logs)
    bot_api.send(traces)
    bot_api.convert()
    assert [role for role, _ in bot_api.messages()] == ["system", "customer", "bot"]
    assert len(bot_api.calls()) == 2


def test_other_log_records_are_left_out(bot_api: BotApi) -> None:
    assert bot_api.send(make_logs([make_log(1, 1, "", "GET /health 200")])) == {}
    bot_api.convert()
    assert bot_api.conversations() == []


def test_the_first_chunk_is_timed_by_its_event(bot_api: BotApi) -> None:
    call = genai([chat("Hello")], [chat("Good day", "assistant")])
    events: list[Any] = [("llm.content.completion.chunk", at, {}) for at in (0.5, 0.6)]
    bot_api.send(make_traces([make_span(1, 1, attributes=call, events=events)]))
    bot_api.convert()
    assert bot_api.calls()[0]["first_chunk_seconds"] == 0.5


def test_a_call_that_failed_has_its_error_and_a_failed_agent_has_a_failed_turn(
    bot_api: BotApi,
) -> None:
    call = genai([chat("Hello")], [])
    raised = ("exception", 1, {"exception.type": "TimeoutError", "exception.message": "too slow"})
    failed = {"code": "STATUS_CODE_ERROR", "message": "gave no answer"}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c1"}
    spans = [
        make_span(1, 1, end=3, attributes=agent, status=failed),
        make_span(1, 2, parent=1, attributes=call, events=[raised], status={"code": 2}),
    ]
    bot_api.send(make_traces(spans))
    bot_api.convert()
    assert bot_api.calls()[0]["error"] == "TimeoutError: too slow"
    (turn,) = bot_api.events("c1", "bot.turn_failed")
    assert turn["payload"]["reason"] == "gave no answer"
    assert bot_api.messages() == [("customer", "Hello")]


def test_an_agent_that_alone_has_the_messages_gives_them(bot_api: BotApi) -> None:
    agent = genai([chat("Hello")], [chat("Good day", "assistant")])
    agent["gen_ai.operation.name"] = "invoke_agent"
    bot_api.send(make_traces([make_span(1, 1, attributes=agent)]))
    bot_api.convert()
    assert bot_api.messages() == [("customer", "Hello"), ("bot", "Good day")]
    assert bot_api.calls() == []


def test_bot_version_and_customer_are_those_that_the_spans_name(bot_api: BotApi) -> None:
    call = genai([chat("Hello")], [chat("Good day", "assistant")])
    call |= {"gen_ai.agent.name": "Order desk", "user.id": "ada@example.org"}
    bot_api.send(make_traces([make_span(1, 1, attributes=call)], service__version="2.1"))
    bot_api.convert()
    asked, answered = bot_api.events("c1", "message.created")
    assert asked["participant_id"] == "ada@example.org"
    assert (answered["participant_id"], answered["bot_version"]) == ("Order%20desk", "2.1")


def test_short_ids_of_tool_calls_that_start_again_in_each_turn_are_told_apart(
    bot_api: BotApi,
) -> None:
    history = []
    for turn in (1, 2):
        history.append(chat(f"Question {turn}"))
        part = {"type": "tool_call", "id": "1", "name": "clock", "arguments": {}}
        asks = {"role": "assistant", "parts": [part]}
        first = genai(history, [asks])
        part = {"type": "tool_call_response", "id": "1", "response": f"{turn} o'clock"}
        history += [asks, {"role": "tool", "parts": [part]}]
        reply = chat(f"Answer {turn}", "assistant")
        last = genai(history, [reply])
        history.append(reply)
        spans = [
            make_span(turn, 1, start=turn * 9, attributes=first),
            make_span(turn, 2, start=turn * 9 + 2, parent=1, attributes=last),
        ]
        bot_api.send(make_traces(spans))
        bot_api.convert()
    returned = bot_api.events("c1", "custom.tool_returned")
    assert [each["payload"]["result"] for each in returned] == ["1 o'clock", "2 o'clock"]
    assert len(bot_api.events("c1", "bot.tool_called")) == 2


def test_files_in_a_message_are_its_attachments(bot_api: BotApi) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://shop.example/box.jpg"}}
    asked = {"role": "user", "content": [{"type": "text", "text": "This one"}, image]}
    call = genai([], [chat("I see", "assistant")])
    call["gen_ai.input.messages"] = json.dumps([asked])
    bot_api.send(make_traces([make_span(1, 1, attributes=call)]))
    bot_api.convert()
    first = bot_api.events("c1", "message.created")[0]
    assert first["payload"]["attachments"][0]["url"] == "https://shop.example/box.jpg"
