"""What a span says, the same for every dialect: messages, a call of a model, a use of a tool, and whose they are."""

from typing import Any, Literal

from msgspec import Struct

from ingest.bots.chat_messages import ChatMessage, ToolCall

Kind = Literal["model", "agent", "tool", "other"]


class ToolUse(Struct, frozen=True):
    """A tool that ran, and what it returned."""

    call: ToolCall
    result: Any = None


class Observation(Struct, frozen=True, kw_only=True):
    """A span, read. Times are microseconds; `call` has the fields of `payload.model_call`."""

    kind: Kind
    trace_id: str
    span_id: str
    start: int
    end: int
    user_id: str | None = None
    bot_id: str | None = None
    bot_version: str | None = None
    inputs: list[ChatMessage] = []
    outputs: list[ChatMessage] = []
    call: dict[str, Any] = {}
    tool: ToolUse | None = None
    error: str | None = None
    keeps_time: bool = True
    is_log: bool = False
    """A log record, whose content belongs to the span with its ids."""

    @property
    def has_content(self) -> bool:
        """Whether it has messages."""
        return bool(self.inputs or self.outputs)
