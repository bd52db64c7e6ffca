"""The chat of one conversation with a language model, as events, each once. Pure.

Every request to a model carries the earlier messages again: all of them, or the last few. A message's id
is derived from the message before it, so a repeated history has the ids that it had the first time. A
history that was cut off at its beginning is aligned with the messages that are known.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from ingest.bots.bot_event import BotEvent, Conversation, Speaker
from ingest.bots.chat_messages import ChatMessage, ToolCall, ToolResult, as_json
from ingest.contract import derived_id

KNOWN_MESSAGES = 200
"""Messages of a conversation with which a shortened history is aligned."""

KEPT_HISTORIES = 10_000
"""Conversations of a file whose messages are remembered; the others are recognised by their ids."""

MIN_UNIQUE_ID = 10
"""Characters from which on the id of a tool call is unique; some models count from 1 in each turn."""

TOOL_RETURNED = "custom.tool_returned"
"""The event of a tool's result, which comes with the request after the call."""

SYSTEM = Speaker("system", "system")
CUSTOMER = Speaker("user", "customer")
BOT = Speaker("assistant", "bot")


class KnownMessage(NamedTuple):
    """A message that is stored: its id, its sender (`user` or `assistant`), and its text."""

    message_id: str
    role: str
    text: str


class ChatHistory:
    """Turns the messages of one conversation into events. A message that it has seen before gives no event.

    `known`: messages of the conversation in the store, oldest first.
    """

    def __init__(
        self,
        conversation: Conversation,
        known: Iterable[KnownMessage] = (),
        *,
        customer: Speaker = CUSTOMER,
        bot: Speaker = BOT,
    ) -> None:
        self.conversation = conversation
        self._speakers = {"user": customer, "assistant": bot, "tool": bot, "system": SYSTEM}
        self._known: deque[tuple[str, str]] = deque(maxlen=KNOWN_MESSAGES)
        for each in known:
            self._known.append((each.message_id, _digest(each.role, each.text)))
        self._seen = {message_id for message_id, _ in self._known}

    def events(
        self,
        messages: Sequence[ChatMessage],
        at: datetime | None = None,
        *,
        has_own_time: bool = False,
        continues: str | None = None,
    ) -> Iterator[BotEvent]:
        """Yield the events of the messages that are new, in order.

        `continues`: the id of an exchange that the messages continue, without repeating anything before it.
        """
        anchor, skipped = self._start([each for each in messages if _speaks(each)], continues)
        calls: Counter[str] = Counter()
        for message in messages:
            columns = {"at": message.at or at, "has_own_time": has_own_time or bool(message.at)}
            if message.role == "system":
                yield from self._system(message, columns)
                continue
            if _speaks(message):
                is_known = skipped > 0
                skipped -= 1
                if is_known:
                    anchor = self._anchors.popleft()
                else:
                    anchor = self._next_id(anchor, message)
                    yield from self._message(message, anchor, columns)
            yield from self._tools(message, anchor, calls, columns)

    def _start(self, said: Sequence[ChatMessage], continues: str | None) -> tuple[str, int]:
        """Return the id before the first message, and the number of messages that are known."""
        last = self._known[-1][0] if self._known else ""
        self._anchors: deque[str] = deque()
        if continues is not None:
            return continues, 0
        before = ""
        for message in said:
            before = self._next_id(before, message)
            if before not in self._seen:
                break
            self._anchors.append(before)
        if not self._anchors:
            self._anchors.extend(self._aligned([_digest(each.role, _said(each)) for each in said]))
        return ("" if self._anchors or not self._known else last), len(self._anchors)

    def _aligned(self, said: Sequence[str]) -> Iterator[str]:
        """Yield the ids of the known messages with which a history begins that was cut off."""
        known = list(self._known)
        digests = [digest for _, digest in known]
        if not known:
            return
        is_full = len(known) == KNOWN_MESSAGES  # then older messages may be stored, too
        for end in range(len(said), 0, -1):
            length = min(end, len(known))
            if (is_full or length == end) and said[end - length : end] == digests[-length:]:
                yield from [known[-length][0]] * (end - length)
                yield from (message_id for message_id, _ in known[-length:])
                return
        for first in range(len(digests) - len(said)) if len(said) > 1 else ():
            if digests[first : first + len(said)] == said:
                yield from (message_id for message_id, _ in islice(known, first, first + len(said)))
                return

    def _next_id(self, before: str, message: ChatMessage) -> str:
        name = f"{before}/{_digest(message.role, _said(message))}"
        return derived_id(f"chat-message/{self.conversation.conversation_id}/{name}")

    def _is_new(self, key: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _message(
        self, message: ChatMessage, message_id: str, columns: dict[str, Any]
    ) -> Iterator[BotEvent]:
        if not self._is_new(message_id):
            return
        self._known.append((message_id, _digest(message.role, _said(message))))
        payload = {"attachments": list(message.attachments)} if message.attachments else {}
        yield self._event(
            "message.created", message_id, message.role, columns,
            text=message.text or None, message_id=message_id, payload=payload,
        )  # fmt: skip

    def _system(self, message: ChatMessage, columns: dict[str, Any]) -> Iterator[BotEvent]:
        """Yield a system prompt, an internal message, when it is new or changed."""
        key = f"system/{_digest('system', message.text)}"
        if message.text and self._is_new(key):
            yield self._event(
                "message.created", key, "system", columns, text=message.text, visibility="internal"
            )

    def _tools(
        self, message: ChatMessage, anchor: str, calls: Counter[str], columns: dict[str, Any]
    ) -> Iterator[BotEvent]:
        parts: list[ToolCall | ToolResult] = [*message.tool_calls, *message.tool_results]
        for part in parts:
            key, number = _tool_key(part, anchor), 0
            if not key.startswith("id/"):
                number = calls[key]
                calls[key] += 1
            if self._is_new(name := f"{key}/{number}"):
                kind = "bot.tool_called" if isinstance(part, ToolCall) else TOOL_RETURNED
                yield self._event(
                    kind, name, message.role, columns, visibility="internal", payload=_payload(part)
                )

    def _event(
        self, event_type: str, key: str, role: str, columns: dict[str, Any], **rest: Any
    ) -> BotEvent:
        speaker = self._speakers[role if event_type == "message.created" else "assistant"]
        return BotEvent(
            conversation=self.conversation,
            event_type=event_type,
            key=key,
            speaker=speaker,
            **columns,
            **rest,
        )


def _speaks(message: ChatMessage) -> bool:
    """Return whether a message is one of the conversation, not only a call or its result."""
    return message.role != "system" and bool(message.text or message.attachments)


def _said(message: ChatMessage) -> str:
    return message.text or as_json(list(message.attachments))


def _digest(role: str, text: str) -> str:
    """Return a digest of a message. Spaces do not count: libraries strip and fold them."""
    return _hash(f"{role}\0{' '.join(text.split())}")


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _tool_key(part: ToolCall | ToolResult, anchor: str) -> str:
    """Return the key of a call or a result. One without an id of its own belongs to the message before it."""
    if isinstance(part, ToolCall):
        own, kind, content = part.id, "call", f"{part.name}\0{as_json(part.arguments)}"
    else:
        own, kind, content = part.call_id, "result", part.text
    is_unique = own is not None and len(own) >= MIN_UNIQUE_ID
    return f"{'id' if is_unique else anchor}/{kind}/{own or ''}/{_hash(content)}"


def _payload(part: ToolCall | ToolResult) -> dict[str, Any]:
    if isinstance(part, ToolCall):
        found = {"tool": part.name or None, "call_id": part.id, "arguments": part.arguments}
    else:
        found = {"tool": part.name, "call_id": part.call_id, "result": part.text}
    return {name: value for name, value in found.items() if value is not None}
