"""Turns the spans of one conversation into events. Ids are derived from the spans, so that it may be repeated. Pure."""

from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter

from ingest.bots.otlp.history import Entry, History, Placed, text_of_message
from ingest.bots.otlp.observation import Observation
from ingest.bots.otlp.sources import speaking_spans
from ingest.bots.otlp.tools import KnownTool, ToolUses
from ingest.contract import derived_id, from_micros
from ingest.events.draft import Draft
from ingest.events.foreign_ids import to_id

CHANNEL = "api"
"""Channel of a conversation that only spans speak of."""

CUSTOMER = "customer"
BOT = "bot"
SYSTEM = "system"
"""Participants where spans name none."""

LAST = 2**31
"""Place after all messages of a span."""


def to_drafts(
    conversation_id: str,
    observations: Sequence[Observation],
    known: Iterable[Entry] = (),
    known_tools: Iterable[KnownTool] = (),
    known_ids: Collection[str] = (),
    *,
    exists: bool = False,
) -> list[Draft]:
    """Return the events of `observations`, in order of their times.

    `known`, `known_tools`: the messages and tool calls of the conversation in the log; `known_ids`: ids of
    its events; `exists`: whether the log has the conversation.
    """
    conversion = _Conversion(
        to_id(conversation_id), History(known), ToolUses(known_tools), known_ids
    )
    # One time that does not count makes all of them not count, or time would run backwards.
    conversion.keeps_time = all(each.keeps_time for each in observations)
    for each in speaking_spans(observations):
        conversion.add(each)
    drafts = conversion.finish()
    if drafts and not exists:
        drafts.insert(0, conversion.creation(drafts[0]))
    return drafts


class _Conversion:
    """The events of one conversation, span by span."""

    def __init__(
        self, conversation_id: str, history: History, tools: ToolUses, known_ids: Collection[str]
    ) -> None:
        self.keeps_time = True
        self._conversation_id = conversation_id
        self._history = history
        self._tools = tools
        self._ids = set(known_ids)
        self._spans: dict[str, int] = {}
        self._drafts: list[tuple[tuple[int, int, int], Draft]] = []
        """Events with their order: time, span, message of the span."""

    def add(self, span: Observation) -> None:
        """Add the messages, tool calls and model call of a span."""
        self._spans[span.trace_id + span.span_id] = len(self._spans)
        answer: str | None = None
        for placed in self._history.match(span.trace_id, span.inputs, span.outputs):
            event_id = placed.known.event_id if placed.known else self._add_message(span, placed)
            answer = event_id if placed.part == "output" else answer
        self._tools.add(span)
        self._add_instructions(span)
        if span.kind == "model" and span.call:
            self._add_call(span, answer)
        if span.kind == "agent" and span.error is not None:
            draft = self._bot_draft("bot.turn_failed", f"{span.span_id}/failed", span.end, span)
            draft.payload = {"reason": span.error, "trace": _trace(span)}
            self._append(draft, span.end, span, LAST)

    def finish(self) -> list[Draft]:
        """Return the events, in order of their times."""
        for each in self._tools:
            draft = self._bot_draft(each.event_type, None, each.at, each.span)
            draft.event_id = self._event_id(f"{each.event_type}/{each.key}")
            draft.payload = each.payload | {
                "trace": _trace(each.span) | ({"part": "history"} if each.is_history else {})
            }
            self._append(draft, each.at, each.span, each.number)
        return [draft for _, draft in sorted(self._drafts, key=itemgetter(0))]

    def creation(self, first: Draft) -> Draft:
        """Return the event that creates the conversation."""
        return Draft(
            event_type="conversation.created",
            event_id=self._event_id("created"),
            conversation_id=self._conversation_id,
            channel=CHANNEL,
            occurred_at=first.occurred_at,
            happened_at=first.happened_at,
        )

    def _add_message(self, span: Observation, placed: Placed) -> str:
        message = placed.message
        at = span.end if placed.part == "output" else span.start
        key = f"{span.span_id}/{placed.number}"
        if message.role == "assistant":
            draft = self._bot_draft("message.created", key, at, span)
            draft.visibility = None
        else:
            draft = self._draft("message.created", key, at, span)
            draft.participant_id = to_id(span.user_id or CUSTOMER)
            draft.participant_role = "customer"
        draft.text = message.text or None
        draft.message_id = event_id = draft.event_id or ""
        draft.payload = {"trace": _trace(span) | {"part": placed.part}}
        if message.attachments:
            draft.payload["attachments"] = list(message.attachments)
        self._append(draft, at, span, placed.number)
        text = text_of_message(message)
        self._history.add(Entry(message.role, text, event_id, placed.part, span.trace_id))
        return event_id

    def _add_instructions(self, span: Observation) -> None:
        """Add the system prompts of a span: internal messages, each once in a conversation."""
        for message in span.inputs:
            if message.role != "system" or not message.text.strip():
                continue
            draft = self._draft("message.created", None, span.start, span)
            draft.event_id = self._event_id(f"system/{derived_id(message.text)}")
            draft.message_id, draft.text = draft.event_id, message.text
            draft.participant_id, draft.participant_role = SYSTEM, "system"
            draft.visibility = "internal"
            draft.payload = {"trace": _trace(span)}
            self._append(draft, span.start, span, -1)

    def _add_call(self, span: Observation, answer: str | None) -> None:
        draft = self._bot_draft("bot.turn_completed", f"{span.span_id}/call", span.end, span)
        draft.caused_by = answer
        draft.payload = {"model_call": span.call, "trace": _trace(span)}
        self._append(draft, span.end, span, LAST)

    def _bot_draft(self, event_type: str, key: str | None, at: int, span: Observation) -> Draft:
        """Return an internal event of the bot."""
        draft = self._draft(event_type, key, at, span)
        draft.visibility = "internal"
        draft.participant_id, draft.participant_role = to_id(span.bot_id or BOT), "bot"
        draft.bot_version = None if span.bot_version is None else to_id(span.bot_version)
        return draft

    def _draft(self, event_type: str, key: str | None, at: int, span: Observation) -> Draft:
        instant = from_micros(at)
        return Draft(
            event_type=event_type,
            event_id=None if key is None else self._event_id(f"{span.trace_id}/{key}"),
            conversation_id=self._conversation_id,
            occurred_at=instant,
            happened_at=instant if self.keeps_time else None,
        )

    def _append(self, draft: Draft, at: int, span: Observation, number: int) -> None:
        """Add an event, unless it is known."""
        if draft.event_id is None or draft.event_id in self._ids:
            return
        self._ids.add(draft.event_id)
        self._drafts.append(((at, self._spans[span.trace_id + span.span_id], number), draft))

    def _event_id(self, key: str) -> str:
        return derived_id(f"otlp/{self._conversation_id}/{key}")


def _trace(span: Observation) -> dict[str, str]:
    return {"trace_id": span.trace_id, "span_id": span.span_id}
