"""Chat messages of language models, in the notations of the common libraries, as one struct. Pure.

OpenAI (Chat Completions, Responses), Anthropic, Gemini, LangChain, Vercel AI SDK, the `parts` of OpenTelemetry,
and ShareGPT. Reasoning of a model is left out: it was not said.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from ingest.bots.chat_notations import (
    BODIES,
    CALLS,
    GEMINI,
    GEMINI_RESULTS,
    NOT_SAID,
    OUTPUTS,
    REQUESTS,
    RESULTS,
    ROLES,
    WRAPPERS,
    ChatRole,
)
from ingest.bots.fields import moment_or_none

__all__ = ["ChatMessage", "ChatRole", "ToolCall", "ToolResult", "as_json", "parsed", "read_chat"]


class ToolCall(Struct, frozen=True, omit_defaults=True):
    """A call of a tool. `arguments`: an object where the model wrote JSON, its text otherwise."""

    name: str
    arguments: Any = None
    id: str | None = None


class ToolResult(Struct, frozen=True, omit_defaults=True):
    """The result of a tool: its text, or a structure as JSON."""

    text: str
    call_id: str | None = None
    name: str | None = None


class ChatMessage(Struct, frozen=True, omit_defaults=True):
    """What one message says: a text, files, calls of tools, results of tools; and when, if it states that."""

    role: ChatRole
    text: str = ""
    attachments: tuple[dict[str, Any], ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    name: str | None = None
    at: datetime | None = None


def read_chat(value: Any, role: ChatRole = "user") -> list[ChatMessage]:
    """Return the messages of a list, of one message, of JSON text, or of an object with `messages`.

    `role`: of a message that does not state one. Parts that are no message are left out.
    """
    return [
        message
        for each in _single_messages(parsed(value), role)
        if (message := _message(each, role)) is not None
    ]


def parsed(value: Any) -> Any:
    """Return the structure that a text holds as JSON, at any depth of quoting; another value as it is."""
    while isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            found = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
        if isinstance(found, int | float):
            return value
        value = found
    return value


def _single_messages(value: Any, role: ChatRole) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _single_messages(each, role)
    elif isinstance(value, str):
        yield {"role": role, "content": value}
    elif isinstance(value, Mapping):
        field = None if _is_message(value) else next((n for n in WRAPPERS if value.get(n)), None)
        if field is None:
            yield value
            return
        if field in REQUESTS:
            yield from _instructions(value)
        yield from _single_messages(parsed(value[field]), WRAPPERS[field] or role)


def _type_of(value: Mapping[str, Any]) -> str:
    """Return the type that an object states, "" if it states none as text."""
    found = value.get("type")
    return found if isinstance(found, str) else ""


def _is_message(value: Mapping[str, Any]) -> bool:
    is_part = _type_of(value) in CALLS | RESULTS or "toolCallId" in value
    return is_part or bool(_role_name(value))


def _instructions(request: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the system prompt that a request has outside its messages."""
    config = request.get("config")
    for holder in (request, config if isinstance(config, Mapping) else {}):
        found = _first(
            holder, ("instructions", "system", "system_instruction", "systemInstruction")
        )
        if found is not None:
            content = found.get("parts", found) if isinstance(found, Mapping) else found
            yield {"role": "system", "content": content}
            return


def _message(given: Any, default: ChatRole) -> ChatMessage | None:
    if not isinstance(given, Mapping) or _type_of(given) in NOT_SAID:
        return None
    content = _Content()
    if _type_of(given) in CALLS | RESULTS or "toolCallId" in given:  # an item on its own
        content.add({"type": "tool_result" if "output" in given else "tool_call", **given})
        return content.message("tool" if content.results else "assistant", None)
    body = next((given[each] for each in BODIES if given.get(each) is not None), None)
    if isinstance(body, Mapping) and body.get("type") == "function":
        return None  # the definition of a tool
    if isinstance(body, Mapping) and _role_name(body):
        return _message(body, default)
    role = ROLES.get(_role_name(given), default)
    if role != "tool" or _has_results(body):
        content.add_all(body)
    else:
        content.results.append(_result(given, body))
    for call in _listed_calls(given):
        content.add_call(call)
    author = given.get("name")
    found = content.message(role, author if isinstance(author, str) else None)
    at = moment_or_none(given, "timestamp", "created_at", "createdAt", "create_time")
    return found if found is None or at is None else msgspec.structs.replace(found, at=at)


def _role_name(given: Mapping[str, Any]) -> str:
    """Return the lower-case name of the role, "" if the object does not state one."""
    for field in ("role", "from", "type"):
        name = given.get(field)
        if isinstance(name, str) and name.lower() in ROLES:
            return name.lower()
    return ""


class _Content:
    """Collects the parts of one message."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.files: list[dict[str, Any]] = []
        self.calls: list[ToolCall] = []
        self.results: list[ToolResult] = []

    def message(self, role: ChatRole, name: str | None) -> ChatMessage | None:
        """Return the message; None if it says nothing."""
        text = "\n".join(self.texts)
        if not (text or self.files or self.calls or self.results):
            return None
        return ChatMessage(
            role, text, tuple(self.files), tuple(self.calls), tuple(self.results), name
        )

    def add_all(self, body: Any) -> None:
        """Add a content: a text, a part, or a list of parts."""
        for part in body if isinstance(body, list) else [body]:
            self.add(part)

    def add(self, part: Any) -> None:
        """Add one part."""
        if isinstance(part, str):
            if part:
                self.texts.append(part)
            return
        if not isinstance(part, Mapping) or part.get("thought") is True:
            return
        kind = _type_of(part)
        gemini = next((each for each in GEMINI if isinstance(part.get(each), Mapping)), None)
        if kind in NOT_SAID:
            return
        if gemini is not None:
            self.add({"type": GEMINI[gemini], **part[gemini]})
        elif kind in CALLS:
            self.add_call(part)
        elif kind in RESULTS:
            self.results.append(_result(part, _first(part, OUTPUTS)))
        elif isinstance(text := _first(part, ("text", str(kind), "content")), str):
            self.add(text)
        else:
            self.files.append(_file(part))

    def add_call(self, call: ToolCall | Mapping[str, Any]) -> None:
        """Add a call of a tool, once."""
        found = call if isinstance(call, ToolCall) else _call(call)
        if found is not None and found not in self.calls:
            self.calls.append(found)


def _first(given: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)


def _listed_calls(given: Mapping[str, Any]) -> Iterator[ToolCall]:
    """Yield the calls that a message lists outside its content."""
    extra = given.get("additional_kwargs")
    for holder in (given, extra if isinstance(extra, Mapping) else {}):
        listed = holder.get("tool_calls")
        calls = listed if isinstance(listed, list) else []
        found = [call for each in calls if (call := _call(each)) is not None]
        if not found and isinstance(holder.get("function_call"), Mapping):
            found = [
                call for each in [holder["function_call"]] if (call := _call(each)) is not None
            ]
        if found:
            yield from found
            return


def _call(given: Any) -> ToolCall | None:
    """Return a call of a tool, None if it has no name."""
    if not isinstance(given, Mapping):
        return None
    function = given.get("function")
    fields = {**given, **function} if isinstance(function, Mapping) else given
    name = _first(fields, ("name", "toolName", "tool_name"))
    if not isinstance(name, str) or not name:
        return None
    arguments = parsed(_first(fields, ("arguments", "args", "input", "parameters")))
    return ToolCall(
        name, arguments, _text_of(given, ("call_id", "toolCallId", "tool_call_id", "id"))
    )


def _result(given: Mapping[str, Any], output: Any) -> ToolResult:
    """Return the result of a tool; a structure becomes JSON."""
    if isinstance(output, Mapping) and output.get("type") == "text":
        output = _first(output, ("value", "text"))
    if isinstance(output, list) and output and all(_is_text_part(each) for each in output):
        output = "\n".join(each["text"] for each in output)
    call_id = _text_of(given, ("tool_call_id", "tool_use_id", "call_id", "toolCallId", "id"))
    text = output if isinstance(output, str) else as_json(output)
    return ToolResult(text, call_id, _text_of(given, ("name", "toolName", "tool_name")))


def _has_results(body: Any) -> bool:
    """Return whether a content has results as parts of their own."""
    parts = [each for each in body if isinstance(each, Mapping)] if isinstance(body, list) else []
    return any(_type_of(each) in RESULTS or not GEMINI_RESULTS.isdisjoint(each) for each in parts)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str)


def _text_of(given: Mapping[str, Any], names: Iterable[str]) -> str | None:
    found = _first(given, names)
    return found if isinstance(found, str) and found else None


def as_json(value: Any) -> str:
    """Return a value as JSON text, "" for none."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _file(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file of a part as an attachment. Bytes inside the message are not kept."""
    kind = part.get("type")
    inside = part.get(str(kind))
    fields = {**part, **inside} if isinstance(inside, Mapping) else {**part, "url": inside}
    url = _text_of(fields, ("url", "image_url", "file_url", "uri", "file_uri"))
    found: dict[str, Any] = {
        "content_type": _text_of(fields, ("media_type", "mime_type", "mimeType"))
    }
    if url is not None and url.startswith("data:"):
        found["content_type"] = url[5:].partition(";")[0] or None
    else:
        found["url"] = url
    found["name"] = _text_of(fields, ("filename", "file_id")) or (str(kind) if kind else "part")
    return {name: value for name, value in found.items() if value is not None}
