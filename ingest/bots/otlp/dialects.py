"""The dialects: where each instrumentation writes the messages of a call.

GenAI, current: `gen_ai.input.messages`, on the span or in the event of the operation's details.
GenAI up to v1.36: one event a message, of the span or in the logs; before, `gen_ai.prompt` as JSON.
OpenInference: `llm.input_messages.N.message.…`. OpenLLMetry: `gen_ai.prompt.N.…`. Vercel AI: `ai.prompt`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ingest.bots.chat_messages import ChatMessage, ChatRole, parsed, read_chat
from ingest.bots.otlp.attributes import first, numbered
from ingest.bots.otlp.span import Span

DETAILS = "gen_ai.client.inference.operation.details"
CHOICE = "gen_ai.choice"
ROLES: Mapping[str, ChatRole] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
"""Events of one message up to v1.36, and the role of each."""

Reader = Callable[[Span], list[ChatMessage]]


def read_inputs(span: Span) -> list[ChatMessage]:
    """Return the messages that a call was given, by the first dialect that has some; instructions come first."""
    instructions = parsed(span.attributes.get("gen_ai.system_instructions"))
    given = [] if instructions is None else read_chat({"role": "system", "content": instructions})
    return given + _first_of(_INPUTS, span)


def read_outputs(span: Span) -> list[ChatMessage]:
    """Return the messages that a call returned, by the first dialect that has some."""
    return _first_of(_OUTPUTS, span)


def is_event(name: str) -> bool:
    """Return whether an event has messages."""
    return name in (DETAILS, CHOICE) or name in ROLES


def read_event(
    name: str, content: Mapping[str, Any]
) -> tuple[list[ChatMessage], list[ChatMessage]]:
    """Return the messages given and returned of one event, such as `gen_ai.user.message`."""
    if name == DETAILS:
        return (
            read_chat(content.get("gen_ai.input.messages")),
            read_chat(content.get("gen_ai.output.messages"), "assistant"),
        )
    if name == CHOICE:
        return [], _choice(content)
    if name in ROLES:
        decoded = {each: parsed(value) for each, value in content.items()}
        return read_chat({"role": ROLES[name], **decoded}, ROLES[name]), []
    return [], []


def _first_of(readers: Iterable[Reader], span: Span) -> list[ChatMessage]:
    for read in readers:
        if found := read(span):
            return found
    return []


def _choice(content: Mapping[str, Any]) -> list[ChatMessage]:
    message = parsed(content.get("message", content))
    if isinstance(message, Mapping) and "tool_calls" in content:
        message = {"tool_calls": parsed(content["tool_calls"]), **message}
    return read_chat(message, "assistant")


def _of_events(span: Span, which: int) -> list[ChatMessage]:
    found: list[ChatMessage] = []
    for each in span.events:
        found += read_event(each.name, each.attributes)[which]
    for content in _events_attribute(span):
        found += read_event(str(content.get("event.name", "")), content)[which]
    return found


def _events_attribute(span: Span) -> list[Mapping[str, Any]]:
    """Return the events that older versions of Pydantic AI write into an attribute."""
    events = parsed(span.attributes.get("events"))
    if not isinstance(events, list):
        return []
    return [each for each in events if isinstance(each, Mapping)]


def _content_event(span: Span, event: str, attribute: str) -> Any:
    """Return an attribute of v1.27 and before, of the span or of its event."""
    for each in span.events:
        if each.name == event:
            return each.attributes.get(attribute)
    return span.attributes.get(attribute)


def _io_value(span: Span, name: str) -> Mapping[str, Any]:
    """Return the request or the response that OpenInference keeps as JSON."""
    if span.attributes.get("openinference.span.kind") != "LLM":
        return {}
    found = parsed(span.attributes.get(name))
    return found if isinstance(found, Mapping) else {}


def _openinference(span: Span, prefix: str, role: ChatRole = "user") -> list[ChatMessage]:
    """Return messages whose parts are each in an object of their own: `message`, `tool_call`, `message_content`."""
    messages = [_inside(each, "message") for each in numbered(span.attributes, prefix)]
    for each in messages:
        each["tool_calls"] = [_inside(call, "tool_call") for call in each.get("tool_calls", [])]
        if contents := each.pop("contents", None):
            each["content"] = [_inside(part, "message_content") for part in contents]
    return read_chat(messages, role)


def _inside(given: Any, name: str) -> dict[str, Any]:
    found = given.get(name, given) if isinstance(given, Mapping) else {}
    return dict(found) if isinstance(found, Mapping) else {}


def _vercel_inputs(span: Span) -> list[ChatMessage]:
    if (messages := span.attributes.get("ai.prompt.messages")) is not None:
        return read_chat(messages)
    prompt = parsed(span.attributes.get("ai.prompt"))
    if not isinstance(prompt, Mapping):
        return []
    return read_chat(prompt.get("messages") or prompt.get("prompt"))


def _vercel_outputs(span: Span) -> list[ChatMessage]:
    text = first(span.attributes, ("ai.response.text", "ai.response.object"))
    calls = span.attributes.get("ai.response.toolCalls")
    if text is None and calls is None:
        return []
    return read_chat({"role": "assistant", "content": text, "tool_calls": parsed(calls)})


_INPUTS: tuple[Reader, ...] = (
    lambda span: read_chat(span.attributes.get("gen_ai.input.messages")),
    lambda span: _openinference(span, "llm.input_messages"),
    lambda span: read_chat(numbered(span.attributes, "gen_ai.prompt")),
    _vercel_inputs,
    lambda span: _of_events(span, 0),
    lambda span: read_chat(_content_event(span, "gen_ai.content.prompt", "gen_ai.prompt")),
    lambda span: read_chat(_io_value(span, "input.value").get("messages")),
)
_OUTPUTS: tuple[Reader, ...] = (
    lambda span: read_chat(span.attributes.get("gen_ai.output.messages"), "assistant"),
    lambda span: _openinference(span, "llm.output_messages", "assistant"),
    lambda span: read_chat(numbered(span.attributes, "gen_ai.completion"), "assistant"),
    _vercel_outputs,
    lambda span: _of_events(span, 1),
    lambda span: read_chat(
        _content_event(span, "gen_ai.content.completion", "gen_ai.completion"), "assistant"
    ),
    lambda span: read_chat(_io_value(span, "output.value").get("choices"), "assistant"),
)
