"""Uses of tools: a model asks for a call, a tool runs, a later call of a model has the result. Pure.

Each call and each result is one event, whichever spans speak of it. Its name is the id of the call, or its content
without one. A short id is a name in its trace only, because some models count from 1 in each turn.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ingest.bots.chat_history import MIN_UNIQUE_ID, TOOL_RETURNED
from ingest.bots.chat_messages import ToolCall, ToolResult, as_json, parsed
from ingest.bots.otlp.history import last_of_bot
from ingest.bots.otlp.observation import Observation, ToolUse

TOOL_CALLED = "bot.tool_called"


class ToolEvent(Struct):
    """A call or its result: its type, its key, when, and which message of which span brought it."""

    event_type: str
    key: str
    at: int
    span: Observation
    number: int
    is_history: bool
    payload: dict[str, Any]


class KnownTool(Struct, frozen=True):
    """A call or a result in the log, and the trace that brought it; as history or as its own."""

    event_type: str
    payload: Mapping[str, Any]
    trace_id: str
    is_history: bool


class ToolUses:
    """Collects calls of tools and their results."""

    def __init__(self, known: Iterable[KnownTool] = ()) -> None:
        """Begin with those of the log."""
        self._events: list[ToolEvent] = []
        self._traces: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
        """By type and name: the traces that brought it, and whether as history."""
        self._names: dict[str, str] = {}
        self._returned: set[int] = set()
        for each in known:
            name = _name(each.payload)
            self._traces[each.event_type, name][each.trace_id] = each.is_history

    def add(self, span: Observation) -> None:
        """Add the calls and results of a span."""
        last = last_of_bot(span.inputs)
        for number, message in enumerate([*span.inputs, *span.outputs]):
            at = span.start if number < len(span.inputs) else span.end
            for call in message.tool_calls:
                self._add(TOOL_CALLED, _called(call), at, span, number, number <= last)
            for result in message.tool_results:
                payload = self._with_tool(result)
                self._add(TOOL_RETURNED, payload, span.start, span, number, number <= last)
        if span.tool is not None:
            self._ran(span, span.tool)

    def __iter__(self) -> Iterator[ToolEvent]:
        """Iterate over those that the log does not have."""
        return iter(self._events)

    def _add(
        self,
        event_type: str,
        payload: dict[str, Any],
        at: int,
        span: Observation,
        number: int = 0,
        is_history: bool = False,
    ) -> None:
        """Add a call or a result, unless it is known."""
        name = _name(payload)
        if event_type == TOOL_CALLED and payload.get("call_id"):
            self._names[payload["call_id"]] = payload["tool"]
        traces = self._traces[event_type, name]
        if _is_unique(payload):
            if not traces:
                self._append(ToolEvent(event_type, name, at, span, number, is_history, payload))
            traces[span.trace_id] = is_history
        elif traces.get(span.trace_id) is not False and not (is_history and traces):
            unclaimed = next((trace for trace, is_old in traces.items() if is_old), None)
            if unclaimed is None:
                key = f"{span.trace_id}/{name}"
                self._append(ToolEvent(event_type, key, at, span, number, is_history, payload))
            else:
                del traces[unclaimed]
            traces[span.trace_id] = is_history

    def _append(self, event: ToolEvent) -> None:
        self._events.append(event)

    def _with_tool(self, result: ToolResult) -> dict[str, Any]:
        name = result.name or self._names.get(result.call_id or "")
        return _given(tool=name, call_id=result.call_id, result=parsed(result.text))

    def _ran(self, span: Observation, tool: ToolUse) -> None:
        called = self._asked(span, tool.call)
        payload = _called(tool.call) if called is None else called.payload
        if called is None:
            self._add(TOOL_CALLED, payload, span.start, span)
        returned = _given(
            tool=payload["tool"],
            call_id=payload.get("call_id"),
            result=tool.result,
            seconds=(span.end - span.start) / 1e6,
            error=span.error,
        )
        self._add(TOOL_RETURNED, returned, span.end, span)

    def _asked(self, span: Observation, call: ToolCall) -> ToolEvent | None:
        """Return the call that a tool without a call id answers: the first of its trace that has not run."""
        if call.id:
            return None
        for each in self._events:
            is_open = each.event_type == TOOL_CALLED and id(each) not in self._returned
            if (
                is_open
                and each.span.trace_id == span.trace_id
                and each.payload["tool"] == call.name
            ):
                self._returned.add(id(each))
                return each
        return None


def _called(call: ToolCall) -> dict[str, Any]:
    return _given(tool=call.name, call_id=call.id, arguments=call.arguments)


def _is_unique(payload: Mapping[str, Any]) -> bool:
    """Return whether the id of the call names it."""
    return len(payload.get("call_id") or "") >= MIN_UNIQUE_ID


def _name(payload: Mapping[str, Any]) -> str:
    """Return the name of a call or a result: its id, or else its content without how long it took."""
    if payload.get("call_id"):
        return str(payload["call_id"])
    said = {name: payload.get(name) for name in ("arguments", "result")}
    return f"{payload.get('tool', '')}/{as_json(said)}"


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
