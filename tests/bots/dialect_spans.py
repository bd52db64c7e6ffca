"""One exchange with a tool, as each instrumentation writes it: two calls of a model, and the tool between them."""

import json
from typing import Any

from tests.bots.otlp_bodies import Body, make_log, make_logs, make_span, make_traces

SYSTEM, ASKED, ANSWERED = "Be brief.", "Where is order 7?", "It is on its way."
ARGUMENTS, RESULT = {"order": 7}, {"status": "sent"}
CALL_ID, TOOL = "call_0123456789", "find_order"

TOOL_CALL = {
    "id": CALL_ID,
    "type": "function",
    "function": {"name": TOOL, "arguments": json.dumps(ARGUMENTS)},
}
FIRST: list[Body] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]
ASKS: Body = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
RETURNS: Body = {"role": "tool", "tool_call_id": CALL_ID, "content": json.dumps(RESULT)}
REPLY: Body = {"role": "assistant", "content": ANSWERED}
CALLS = (([*FIRST], ASKS, "tool_calls"), ([*FIRST, ASKS, RETURNS], REPLY, "stop"))
"""Each call of the model, in the form of OpenAI: what it was given, what it returned, why it ended."""


def flatten(value: Any, prefix: str) -> dict[str, Any]:
    """Spread a value over names with numbers: `PREFIX.0.role`."""
    if isinstance(value, dict):
        found = (flatten(each, f"{prefix}.{name}") for name, each in value.items())
    elif isinstance(value, list):
        found = (flatten(each, f"{prefix}.{number}") for number, each in enumerate(value))
    else:
        return {} if value is None else {prefix: value}
    return {name: each for some in found for name, each in some.items()}


def genai(inputs: list[Body], output: Body, reason: str) -> Body:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "c1",
        "gen_ai.response.model": "small",
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}]),
        "gen_ai.input.messages": json.dumps([parts_of(each) for each in inputs[1:]]),
        "gen_ai.output.messages": json.dumps([parts_of(output) | {"finish_reason": reason}]),
        "gen_ai.response.finish_reasons": [reason],
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "gen_ai.response.time_to_first_chunk": 0.25,
    }


def parts_of(message: Body) -> Body:
    parts: list[Body] = []
    if message["role"] == "tool":
        parts.append({"type": "tool_call_response", "id": CALL_ID, "response": RESULT})
    elif message["content"] is not None:
        parts.append({"type": "text", "content": message["content"]})
    if message.get("tool_calls"):
        parts.append({"type": "tool_call", "id": CALL_ID, "name": TOOL, "arguments": ARGUMENTS})
    return {"role": message["role"], "parts": parts}


def older_genai(inputs: list[Body], output: Body, reason: str) -> Body:
    """Names of v1.36 and before, without the messages."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "session.id": "c1",
        "gen_ai.request.model": "small",
        "gen_ai.response.finish_reasons": [reason],
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.details.cache_read_tokens": 8,
        "gen_ai.usage.details.reasoning_tokens": 4,
    }


def events_of(inputs: list[Body], output: Body, reason: str) -> list[tuple[str, Body]]:
    """One event a message, of v1.36 and before."""
    named = [(f"gen_ai.{each['role']}.message", each) for each in inputs]
    return [*named, ("gen_ai.choice", {"index": 0, "finish_reason": reason, "message": output})]


def as_text(content: Body) -> Body:
    """Attributes of an event of a span: structures are JSON."""
    return {
        name: json.dumps(value) if isinstance(value, dict | list) else value
        for name, value in content.items()
        if value is not None
    }


def oldest_genai(inputs: list[Body], output: Body, reason: str) -> Body:
    return older_genai(inputs, output, reason) | {
        "gen_ai.prompt": json.dumps(inputs),
        "gen_ai.completion": json.dumps([output]),
    }


def events_attribute(inputs: list[Body], output: Body, reason: str) -> Body:
    events = [
        {"event.name": name, **content} for name, content in events_of(inputs, output, reason)
    ]
    return older_genai(inputs, output, reason) | {"events": json.dumps(events)}


def openinference(inputs: list[Body], output: Body, reason: str) -> Body:
    def message(given: Body) -> Body:
        calls = [{"tool_call": each} for each in given.get("tool_calls", [])]
        return {"message": {**given, "tool_calls": calls}}

    return {
        "openinference.span.kind": "LLM",
        "metadata": json.dumps({"thread_id": "c1"}),
        "llm.model_name": "small",
        **flatten([message(each) for each in inputs], "llm.input_messages"),
        **flatten([message(output)], "llm.output_messages"),
        "output.value": json.dumps({"choices": [{"message": output, "finish_reason": reason}]}),
        "llm.token_count.prompt": 20,
        "llm.token_count.completion": 9,
        "llm.token_count.prompt_details.cache_read": 8,
        "llm.token_count.completion_details.reasoning": 4,
    }


def openllmetry(inputs: list[Body], output: Body, reason: str) -> Body:
    def message(given: Body) -> Body:
        calls = [{"id": each["id"], **each["function"]} for each in given.get("tool_calls", [])]
        return {**given, "tool_calls": calls}

    return {
        "llm.request.type": "chat",
        "traceloop.association.properties.session_id": "c1",
        "gen_ai.request.model": "small",
        **flatten([message(each) for each in inputs], "gen_ai.prompt"),
        **flatten([message(output) | {"finish_reason": reason}], "gen_ai.completion"),
        "gen_ai.usage.prompt_tokens": 20,
        "gen_ai.usage.completion_tokens": 9,
        "gen_ai.usage.cache_read_input_tokens": 8,
        "gen_ai.usage.reasoning_tokens": 4,
    }


def vercel(inputs: list[Body], output: Body, reason: str) -> Body:
    def message(given: Body) -> Body:
        if given["role"] == "tool":
            returned = {"type": "json", "value": RESULT}
            part = {"type": "tool-result", "toolCallId": CALL_ID, "toolName": TOOL}
            return {"role": "tool", "content": [part | {"output": returned}]}
        if given.get("tool_calls"):
            part = {"type": "tool-call", "toolCallId": CALL_ID, "toolName": TOOL}
            return {"role": "assistant", "content": [part | {"input": ARGUMENTS}]}
        return given

    calls = [{"toolCallId": CALL_ID, "toolName": TOOL, "input": json.dumps(ARGUMENTS)}]
    said = (
        {"ai.response.toolCalls": json.dumps(calls)}
        if output.get("tool_calls")
        else {"ai.response.text": output["content"]}
    )
    return {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.telemetry.metadata.sessionId": "c1",
        "ai.model.id": "small",
        "ai.prompt.messages": json.dumps([message(each) for each in inputs]),
        **said,
        "ai.response.finishReason": reason,
        "ai.usage.promptTokens": 20,
        "ai.usage.completionTokens": 9,
        "ai.usage.cachedInputTokens": 8,
        "ai.usage.reasoningTokens": 4,
        "ai.response.msToFirstChunk": 250.0,
    }


ATTRIBUTES = {
    "genai": genai,
    "events_attribute": events_attribute,
    "oldest_genai": oldest_genai,
    "openinference": openinference,
    "openllmetry": openllmetry,
    "vercel": vercel,
}
TOOL_SPANS: dict[str, Body] = {
    "genai": {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": TOOL,
        "gen_ai.tool.call.id": CALL_ID,
        "gen_ai.tool.call.result": json.dumps(RESULT),
    },
    "openinference": {
        "openinference.span.kind": "TOOL",
        "tool.name": TOOL,
        "input.value": json.dumps(ARGUMENTS),
        "output.value": json.dumps(RESULT),
    },
    "openllmetry": {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": TOOL,
        "traceloop.entity.input": json.dumps(ARGUMENTS),
        "traceloop.entity.output": json.dumps(RESULT),
    },
    "vercel": {
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": TOOL,
        "ai.toolCall.id": CALL_ID,
        "ai.toolCall.args": json.dumps(ARGUMENTS),
        "ai.toolCall.result": json.dumps(RESULT),
    },
}


def requests_of(dialect: str) -> list[Body]:
    """The requests that a bot sends in this dialect: a root, two calls of the model, perhaps the tool's span."""
    spans = [make_span(1, 1, start=0, end=9)]
    logs: list[Body] = []
    for number, (inputs, output, reason) in enumerate(CALLS):
        span: dict[str, Any] = {"start": 1 + 4 * number, "end": 2 + 4 * number, "parent": 1}
        if dialect == "span_events":
            span["attributes"] = older_genai(inputs, output, reason)
            named = events_of(inputs, output, reason)
            span["events"] = [(name, span["start"], as_text(body)) for name, body in named]
        elif dialect == "log_records":
            span["attributes"] = older_genai(inputs, output, reason)
            logs += [
                make_log(1, 2 + number, name, _given(body), at=span["start"] + place / 100)
                for place, (name, body) in enumerate(events_of(inputs, output, reason))
            ]
        else:
            span["attributes"] = ATTRIBUTES[dialect](inputs, output, reason)
        spans.append(make_span(1, 2 + number, **span))
    if dialect in TOOL_SPANS:
        spans.append(make_span(1, 9, start=3, end=4, parent=1, attributes=TOOL_SPANS[dialect]))
    return [make_traces(spans), *([make_logs(logs)] if logs else [])]


def _given(body: Body) -> Body:
    return {name: value for name, value in body.items() if value is not None}


DIALECTS = (*ATTRIBUTES, "span_events", "log_records")
