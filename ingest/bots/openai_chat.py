"""Chats in the style of OpenAI: lines of messages, requests with responses, and flat transcripts.

A record is a request and its response (Chat Completions, Responses, a line of the Batch API), a whole
conversation (`messages`, or ShareGPT's `conversations`), or a text `user: … assistant: …`. Every request
carries the earlier messages again; they are stored once.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cachetools import LRUCache

from ingest.bots.base import Part, Reader, Surroundings
from ingest.bots.bot_event import BotEvent, Conversation, Speaker, UnreadableRecordError
from ingest.bots.chat_history import BOT, CUSTOMER, KEPT_HISTORIES, ChatHistory
from ingest.bots.chat_messages import ChatMessage, ToolCall, ToolResult, read_chat
from ingest.bots.fields import digest, mapping, moment_or_none, name_of, number, present, text
from ingest.bots.model_calls import model_call
from ingest.events.foreign_ids import to_id

_IDS = ("conversation_id", "conversation", "session_id", "thread_id", "chat_id")
_TIMES = ("created_at", "timestamp", "created", "time", "create_time")
_FLAT = re.compile(r"^(system|user|assistant|tool): ?", re.MULTILINE)
_NO_TEXT = "None"
"""The text of an assistant that only called a tool, as Python prints it."""


class OpenAiChatLogger:
    """Reads chats in the style of OpenAI."""

    name = "openai-chat"
    title = "OpenAI-style chat"
    example: Mapping[str, Any] = {
        "conversation_id": "order-7",
        "request": {"model": "gpt-5", "messages": [{"role": "user", "content": "Where is it?"}]},
        "response": {
            "id": "chatcmpl-7",
            "choices": [{"message": {"role": "assistant", "content": "On its way."}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 4},
        },
    }

    def open(self, surroundings: Surroundings) -> Reader:
        """Return a reader that remembers the chats of its records."""
        return _Chats(surroundings).read


class _Chats:
    """The chats of the records so far."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._histories: LRUCache[str, ChatHistory] = LRUCache(KEPT_HISTORIES)

    def read(self, record: Any) -> Iterator[Part]:
        """Yield the events of a record that are new."""
        given = {"messages": record} if isinstance(record, list) else record
        if not isinstance(given, Mapping):
            raise UnreadableRecordError("not a chat: an object or a list of messages is expected")
        request, response = _request(given), _response(given)
        said, answer = _messages(given, request), read_chat(response, "assistant")
        if not said and not answer:
            raise UnreadableRecordError("no messages in this record")
        history = self._history(given, request)
        times = _times(given, response)
        continues = _continued(request, response)
        yield from history.events(said, times[0], continues=continues)
        yield from history.events([*said, *answer], times[1], continues=continues)
        if response:
            call = _call(given, request, response)
            yield _completed(history.conversation, call, times[1], response)

    def _history(self, given: Mapping[str, Any], request: Mapping[str, Any]) -> ChatHistory:
        name = self._surroundings.conversation_id or _conversation_id(given, request)
        conversation_id = to_id(name)
        history = self._histories.get(conversation_id)
        if history is None:
            conversation = Conversation(conversation_id, name_of(text(given, "channel"), "web"))
            user = _field(given, request, "user", "user_id", "safety_identifier")
            history = self._histories[conversation_id] = ChatHistory(
                conversation,
                self._surroundings.known(conversation),
                customer=CUSTOMER if user is None else Speaker(user, "customer"),
            )
        return history


def _request(given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = mapping(given, "request") or mapping(given, "body")
    return mapping(found, "body") or found or given


def _continued(request: Mapping[str, Any], response: Mapping[str, Any]) -> str | None:
    """Return the exchange that a request continues whose history the server keeps."""
    if (previous := text(request, "previous_response_id")) is not None:
        return previous
    keeps_state = "conversation" in request and response.get("object") == "response"
    return text(response, "id") if keeps_state else None


def _response(given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = mapping(given, "response")
    if not found and ("choices" in given or given.get("object") == "response"):
        found = {name: value for name, value in given.items() if name not in ("input", "messages")}
    return mapping(found, "body") or found


def _messages(given: Mapping[str, Any], request: Mapping[str, Any]) -> list[ChatMessage]:
    """Return the messages of the request, or of the whole conversation."""
    fields = ("messages", "conversations", "input", "contents", "prompt")
    holder = {
        name: request[name] for name in (*fields, "instructions", "system") if name in request
    }
    if any(name in holder for name in fields):
        return read_chat(holder)
    for value in given.values():
        if isinstance(value, str) and len(_FLAT.findall(value)) > 1 and _FLAT.match(value):
            return _flat(value)
    return []


def _flat(transcript: str) -> list[ChatMessage]:
    """Return the messages of a text in which each begins with its role at the start of a line."""
    parts = _FLAT.split(transcript)
    turns = [
        (role, said.removesuffix("\n")) for role, said in zip(parts[1::2], parts[2::2], strict=True)
    ]
    found: list[ChatMessage] = []
    for number_of, (role, said) in enumerate(turns):
        follows = turns[number_of + 1][0] if number_of + 1 < len(turns) else ""
        if role == "tool":
            found.append(ChatMessage("tool", tool_results=(ToolResult(said),)))
        elif role == "assistant" and said == _NO_TEXT and follows == "tool":
            found.append(ChatMessage("assistant", tool_calls=(ToolCall(""),)))
        else:
            found += read_chat([{"role": role, "content": said}])
    return found


def _field(given: Mapping[str, Any], request: Mapping[str, Any], *names: str) -> str | None:
    """Return a field of the record, of its request, or of the metadata of either."""
    holders = (given, mapping(given, "metadata"), request, mapping(request, "metadata"))
    return next((found for each in holders if (found := text(each, *names))), None)


def _conversation_id(given: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Return the id that the record states, or else one of its content."""
    named = _field(given, request, *_IDS) or text(mapping(given, "conversation"), "id")
    if named is not None:
        return named
    own = text(given, "custom_id", "id")
    if own is not None and not own.startswith(("chatcmpl-", "resp_")):
        return f"chat-{own}"
    return f"chat-{digest(given)}"


def _times(
    given: Mapping[str, Any], response: Mapping[str, Any]
) -> tuple[datetime | None, datetime | None]:
    """Return when the request was sent, and when it was answered."""
    answered = moment_or_none(response, "completed_at", *_TIMES)
    asked = moment_or_none(given, *_TIMES) or answered
    return asked, max(asked, answered) if asked and answered else asked


def _call(
    given: Mapping[str, Any], request: Mapping[str, Any], response: Mapping[str, Any]
) -> dict[str, Any]:
    latency = number(given, "latency_seconds", "duration_seconds")
    milliseconds = number(given, "latency_ms", "duration_ms")
    if latency is None and milliseconds is not None:
        latency = milliseconds / 1000
    return model_call(
        response,
        request,
        latency_seconds=latency,
        cost=number(given, "cost"),
        error=text(mapping(response, "error"), "message"),
    )


def _completed(
    conversation: Conversation, call: dict[str, Any], at: datetime | None, response: Any
) -> BotEvent:
    failed = mapping(response, "error")
    return BotEvent(
        conversation=conversation,
        event_type="bot.turn_failed" if failed else "bot.turn_completed",
        key=text(response, "id") or digest(response),
        at=at,
        has_own_time=False,
        speaker=BOT,
        visibility="internal",
        payload=present(model_call=call, reason=text(failed, "message")),
    )
