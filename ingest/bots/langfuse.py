"""Langfuse: traces with their observations, as its API and its exports write them. https://langfuse.com/docs.

Generations are calls of models: their inputs and outputs become messages, once. Tools and scores come from
their own observations. A session is a conversation; a trace without one is a conversation of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from cachetools import LRUCache

from ingest.bots.base import Part, Reader, Surroundings, Unreadable
from ingest.bots.bot_event import BotEvent, Conversation, Speaker, UnreadableRecordError
from ingest.bots.chat_history import BOT, CUSTOMER, KEPT_HISTORIES, TOOL_RETURNED, ChatHistory
from ingest.bots.chat_messages import ChatMessage, as_json, parsed, read_chat
from ingest.bots.fields import (
    bounded,
    items,
    mapping,
    moment,
    moment_or_none,
    number,
    present,
    text,
)
from ingest.bots.model_calls import cost_of, model_call, seconds_between, tokens_of
from ingest.events.foreign_ids import to_id
from ingest.events.foreign_times import TimeFormatError

CHANNEL = "langfuse"
Record = Mapping[str, Any]


class LangfuseLogger:
    """Reads Langfuse's traces and observations."""

    name = "langfuse"
    title = "Langfuse (traces with observations)"
    example: Mapping[str, Any] = {
        "trace": {"id": "t-1", "timestamp": "2025-08-28T07:32:30Z", "sessionId": "demo"},
        "observations": [
            {
                "id": "o-1",
                "type": "GENERATION",
                "startTime": "2025-08-28T07:32:30Z",
                "endTime": "2025-08-28T07:32:32Z",
                "model": "gpt-5",
                "usageDetails": {"input": 12, "output": 4, "total": 16},
                "input": [{"role": "user", "content": "Where is my order?"}],
                "output": {"role": "assistant", "content": "On its way."},
            }
        ],
    }

    def open(self, surroundings: Surroundings) -> Reader:
        """Return a reader that remembers the chats of its sessions."""
        return _Traces(surroundings).read


def arrange(records: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield traces with all their observations, oldest first: exports list the newest first, or single ones.

    Records that are none come first. Everything is read before.
    """
    traces: dict[str, tuple[str, dict[str, Any]]] = {}
    for place, record in records:
        pages = items(record, "data") if isinstance(record, Mapping) else []
        for each in pages or [record]:
            bundle = _bundle(each)
            if bundle is None:
                yield place, each
                continue
            trace, observations = bundle
            _, known = traces.setdefault(_trace_id(trace, observations), (place, {}))
            known["trace"] = {**known.get("trace", {}), **trace}
            known.setdefault("observations", []).extend(observations)
    yield from sorted(traces.values(), key=lambda each: _start(each[1]))


def _bundle(record: Any) -> tuple[Record, list[Any]] | None:
    """Return a trace and its observations; None if the record is neither."""
    if not isinstance(record, Mapping):
        return None
    if isinstance(record.get("trace"), Mapping):
        return record["trace"], items(record, "observations")
    if text(record, "id") is None:
        return None
    if text(record, "traceId", "trace_id") is not None:
        trace_id = text(record, "traceId", "trace_id")
        return present(id=trace_id, sessionId=record.get("sessionId")), [record]
    is_trace = "timestamp" in record and bool({"input", "output", "observations"} & record.keys())
    found = [each for each in items(record, "observations") if isinstance(each, Mapping)]
    return (record, found) if is_trace else None


def _trace_id(trace: Record, observations: list[Any]) -> str:
    first = observations[0] if observations else None
    found = text(trace, "id") or (text(first, "traceId") if isinstance(first, Mapping) else None)
    return found or as_json(trace)


def _start(bundle: Record) -> float:
    """Return when a trace began; 0 if it does not say."""
    given = [each for each in items(bundle, "observations") if isinstance(each, Mapping)]
    times = [moment_or_none(mapping(bundle, "trace"), "timestamp", "createdAt")]
    times += [moment_or_none(each, "startTime", "start_time") for each in given]
    return min((each.timestamp() for each in times if each is not None), default=0.0)


class _Traces:
    """The chats of the traces so far."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._histories: LRUCache[str, ChatHistory] = LRUCache(KEPT_HISTORIES)

    def read(self, record: Any) -> Iterator[Part]:
        """Yield the events of a trace, or of a page of them."""
        if isinstance(record, Mapping) and "data" in record and "trace" not in record:
            for each in items(record, "data"):
                yield from self.read(each)
            return
        bundle = _bundle(record)
        if bundle is None:
            raise UnreadableRecordError("not a trace, and no observation of one")
        trace, given = bundle
        observations = []
        for place, each in enumerate(given, 1):
            try:
                observations.append(_Observation(each))
            except (TimeFormatError, UnreadableRecordError) as error:
                yield Unreadable(f"observation {place}", str(error))
        history = self._history(trace, given)
        yield from _events(history, trace, sorted(observations, key=lambda each: each.order))
        yield from _scores(history.conversation, trace)

    def _history(self, trace: Record, observations: list[Any]) -> ChatHistory:
        session = text(trace, "sessionId", "session_id")
        named = self._surroundings.conversation_id
        if named is None:
            named = f"langfuse-{session or _trace_id(trace, observations)}"
        conversation_id = to_id(named)
        history = self._histories.get(conversation_id)
        if history is None:
            conversation = Conversation(conversation_id, CHANNEL)
            user = text(trace, "userId", "user_id")
            history = self._histories[conversation_id] = ChatHistory(
                conversation,
                self._surroundings.known(conversation),
                customer=CUSTOMER if user is None else Speaker(f"langfuse-{user}", "customer"),
            )
        return history


class _Observation:
    """One observation: a generation, a tool, or another span."""

    def __init__(self, given: Any) -> None:
        """Read an observation. Raises TimeFormatError, UnreadableRecordError."""
        if not isinstance(given, Mapping) or text(given, "id") is None:
            raise UnreadableRecordError("not an observation")
        self.given: Record = given
        self.id = text(given, "id") or ""
        self.parent = text(given, "parentObservationId", "parent_observation_id")
        self.kind = (text(given, "type") or "").upper()
        self.start = moment(given, "startTime", "start_time")
        self.end = moment(given, "endTime", "end_time", "startTime", "start_time")
        self.input = read_chat(given.get("input"))
        self.output = read_chat(given.get("output"), "assistant")

    @property
    def order(self) -> tuple[float, str]:
        """The place among the observations of a trace."""
        return (0.0 if self.start is None else self.start.timestamp(), self.id)

    @property
    def tool(self) -> str:
        """The name of the tool, the last word of the observation's name."""
        return ((text(self.given, "name") or "").split() or [""])[-1]

    def completed(self, conversation: Conversation) -> BotEvent:
        """Return that the model answered, or failed."""
        has_failed = text(self.given, "level") == "ERROR"
        response = parsed(self.given.get("output"))
        call = model_call(
            response if isinstance(response, Mapping) else {},
            {},
            model=text(self.given, "model"),
            **tokens_of(mapping(self.given, "usageDetails") or mapping(self.given, "usage")),
            cost=cost_of(self.given, "totalCost", "calculatedTotalCost"),
            latency_seconds=seconds_between(self.start, self.end),
            first_chunk_seconds=number(self.given, "timeToFirstToken"),
            error=text(self.given, "statusMessage") if has_failed else None,
        )
        return BotEvent(
            conversation=conversation,
            event_type="bot.turn_failed" if has_failed else "bot.turn_completed",
            key=f"langfuse/{self.id}",
            at=self.end,
            speaker=BOT,
            visibility="internal",
            payload=present(
                model_call=call,
                reason=text(self.given, "statusMessage") if has_failed else None,
            ),
        )


def _events(
    history: ChatHistory, trace: Record, observations: list[_Observation]
) -> Iterator[BotEvent]:
    """Yield the events of a trace, in order of time."""
    parents = {each.parent for each in observations if each.kind == "GENERATION"}
    generations = [
        each for each in observations if each.kind == "GENERATION" and each.id not in parents
    ]
    said = [message for each in generations for message in (*each.input, *each.output)]
    called, returned = _tools_of(said)
    for each in observations:
        if each in generations:
            yield from history.events(each.input, each.start)
            yield from history.events([*each.input, *each.output], each.end)
            yield each.completed(history.conversation)
        elif each.kind == "TOOL":
            yield from _tool(history.conversation, each, called, returned)
    if not generations:
        at = moment_or_none(trace, "timestamp", "createdAt")
        answer = read_chat(trace.get("output"), "assistant")
        yield from history.events([*read_chat(trace.get("input")), *answer], at)


def _tools_of(messages: list[ChatMessage]) -> tuple[set[str], set[str]]:
    """Return the tools that the messages call, and those whose results they have."""
    names = {call.id: call.name for each in messages for call in each.tool_calls}
    results = [result for each in messages for result in each.tool_results]
    return set(names.values()), {each.name or names.get(each.call_id, "") for each in results}


def _tool(
    conversation: Conversation, tool: _Observation, called: set[str], returned: set[str]
) -> Iterator[BotEvent]:
    """Yield the call and the result of a tool that the messages of the models do not have."""
    given, result = parsed(tool.given.get("input")), tool.given.get("output")
    if tool.tool not in called:
        payload = present(tool=tool.tool, arguments=bounded(given))
        yield _internal(conversation, "bot.tool_called", tool, tool.start, payload)
    if tool.tool not in returned:
        shown = result if isinstance(result, str) else as_json(result)
        payload = present(tool=tool.tool, result=shown)
        yield _internal(conversation, TOOL_RETURNED, tool, tool.end, payload)


def _internal(
    conversation: Conversation,
    event_type: str,
    tool: _Observation,
    at: datetime | None,
    payload: dict[str, Any],
) -> BotEvent:
    return BotEvent(
        conversation=conversation,
        event_type=event_type,
        key=f"langfuse/{tool.id}",
        at=at,
        speaker=BOT,
        visibility="internal",
        payload=payload,
    )


def _scores(conversation: Conversation, trace: Record) -> Iterator[BotEvent]:
    """Yield the scores of a trace that are listed in full."""
    for each in items(trace, "scores"):
        if isinstance(each, Mapping) and (score_id := text(each, "id")) is not None:
            names = (
                "name",
                "value",
                "stringValue",
                "source",
                "comment",
                "dataType",
                "observationId",
            )
            yield BotEvent(
                conversation=conversation,
                event_type="custom.langfuse.score",
                key=score_id,
                at=moment_or_none(each, "timestamp", "createdAt"),
                visibility="internal",
                payload=present(**{name: each.get(name) for name in names}),
            )
