"""Conversations made by a seed, the same on every machine, and the rows that the log makes of them.

The texts are made of invented words that repeat as words of a language do (Zipf), so that
they compress about as well; no claim about real texts rests on them.
"""

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa

from ingest.arrow_schema import SCHEMA
from ingest.contract import from_micros, to_micros
from ingest.events.conversation_state import Conversation
from ingest.events.decide import decide
from ingest.events.draft import Draft
from ingest.events.effects import run_timers
from ingest.events.stored_event import StoredEvent, from_draft
from ingest.events.timers import LifecyclePolicy
from ingest.settings import Settings

CONVERSATIONS = 1_000
"""Conversations that exist before messages are measured."""

TEXT_LENGTH = 100
STARTED_AT = to_micros(datetime(2030, 1, 7, 8, tzinfo=UTC))
SECOND = 1_000_000
DAY = 86_400 * SECOND
RULES = LifecyclePolicy.from_settings(Settings())


@cache
def _words() -> tuple[list[str], list[float]]:
    chosen = random.Random(1)  # noqa: S311 (a seed, not a secret)
    syllables = [a + b + c for a in "bdfgklmnprstvz" for b in "aeiou" for c in ("", "n", "r", "s")]
    words = ["".join(chosen.choices(syllables, k=chosen.randint(1, 3))) for _ in range(3_000)]
    return words, list(accumulate(1 / rank for rank in range(2, len(words) + 2)))


def text(chosen: random.Random) -> str:
    """Return a text of TEXT_LENGTH characters."""
    words, weights = _words()
    return " ".join(chosen.choices(words, cum_weights=weights, k=30))[:TEXT_LENGTH]


def uuid7(millisecond: int, chosen: random.Random) -> str:
    """Return a UUIDv7 of that millisecond since 1970."""
    noise = chosen.getrandbits(74)
    bits = millisecond << 80 | 7 << 76 | noise >> 62 << 64 | 2 << 62 | noise & (1 << 62) - 1
    return str(UUID(int=bits))


@cache
def conversation_ids(count: int = CONVERSATIONS) -> list[str]:
    """Ids of the conversations that exist before messages are measured."""
    chosen = random.Random(2)  # noqa: S311
    return [uuid7(STARTED_AT // 1000 + number, chosen) for number in range(count)]


def creations() -> list[dict[str, Any]]:
    """Return the events that create those conversations, with a customer and a bot in each."""
    participants = [
        {"participant_id": "ada", "participant_role": "customer"},
        {"participant_id": "bot", "participant_role": "bot"},
    ]
    return [
        {
            "event_type": "conversation.created",
            "event_id": f"created-{number}",
            "conversation_id": conversation_id,
            "channel": "web",
            "payload": {"participants": participants},
        }
        for number, conversation_id in enumerate(conversation_ids())
    ]


def messages(first: int, count: int) -> list[dict[str, Any]]:
    """Messages number `first` and on, in conversations picked at random; the same every time."""
    chosen = random.Random(first)  # noqa: S311
    ids = conversation_ids()
    return [
        {
            "event_type": "message.created",
            "event_id": uuid7(STARTED_AT // 1000 + number, chosen),
            "conversation_id": chosen.choice(ids),
            "participant_id": chosen.choice(("ada", "bot")),
            "text": text(chosen),
        }
        for number in range(first, first + count)
    ]


class Fold:
    """The log's rows without its store: what `Writer` would have written."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self._states: dict[str, Conversation] = {}
        self._position = 0

    def take(self, draft: Draft, at: int) -> list[StoredEvent]:
        """Return the rows of one draft that came `at` (microseconds); server events are among them."""
        key = draft.conversation_id or ""
        row = from_draft(draft, "benchmark", at, draft.event_id or "")
        state = self._states.get(key)
        due = [] if state is None else run_timers(state, RULES, row.happened_at, at)
        rows, self._states[key] = decide(draft, row, state, RULES)
        rows = [*due, *rows]
        for each in rows:
            self._position += 1
            each.position = self._position
            each.committed_at = at + 1_000
        return rows

    def take_all(self, events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        """Rows of `events` as tuples in the order of the store's columns."""
        drafts = msgspec.convert(events, list[Draft])
        rows = [row for draft in drafts for row in self.take(draft, STARTED_AT)]
        return [msgspec.structs.astuple(row) for row in rows]


def history(events: int, days: int = 4) -> list[tuple[Any, ...]]:
    """At least `events` rows of a log over so many days: conversations of about ten events each.

    They overlap as they do in a real log; a tenth is handed off to an agent.
    """
    drafts = dialogues(events // 9, STARTED_AT, days * DAY * 9 // 10, random.Random(3))  # noqa: S311
    return record(Fold(), drafts, events)


def dialogues(count: int, start: int, span: int, chosen: random.Random) -> "Iterator[Entry]":
    """Return the drafts of `count` conversations that begin evenly in `span`, in order of time."""
    step = span // max(1, count)
    each = [_dialogue(number, start + number * step, chosen) for number in range(count)]
    return heapq.merge(*_sorted_runs(each))


def record(fold: Fold, drafts: "Iterator[Entry]", events: int) -> list[tuple[Any, ...]]:
    """Return at least `count` rows that `fold` makes of `drafts`."""
    rows: list[tuple[Any, ...]] = []
    for at, _, _, draft in drafts:
        rows += [msgspec.structs.astuple(row) for row in fold.take(draft, at)]
        if len(rows) >= events:
            break
    return rows


Entry = tuple[int, int, int, Draft]
"""When, which conversation, which event of it, what. The numbers keep equal instants in order."""


def _sorted_runs(dialogues: list[list[Entry]]) -> Iterator[list[Entry]]:
    # Merging thousands of short lists at once costs more than sorting a few long ones.
    for start in range(0, len(dialogues), 2_000):
        yield sorted(
            (entry for each in dialogues[start : start + 2_000] for entry in each),
            key=lambda entry: entry[:3],
        )


def _dialogue(number: int, start: int, chosen: random.Random) -> list[Entry]:
    conversation_id = uuid7(start // 1000, chosen)
    at = start
    entries: list[Entry] = []
    for step in _script(number, chosen):
        draft = Draft(conversation_id=conversation_id, event_id=uuid7(at // 1000, chosen), **step)
        entries.append((at, number, len(entries), draft))
        at += chosen.randint(2 * SECOND, 90 * SECOND)
    return entries


def _script(number: int, chosen: random.Random) -> Iterator[dict[str, Any]]:
    customer, bot = f"customer-{number}", "helper"
    channel = chosen.choice(("web", "whatsapp", "email"))
    participants = [
        {"participant_id": customer, "participant_role": "customer"},
        {"participant_id": bot, "participant_role": "bot"},
        {"participant_id": "agent-1", "participant_role": "agent"},
    ]
    payload = {"participants": participants}
    yield {"event_type": "conversation.created", "channel": channel, "payload": payload}
    answering = bot
    for turn in range(3):
        yield _message(customer, chosen)
        if turn == 1 and number % 10 == 0:
            handoff = {"handoff_id": f"handoff-{number}", "queue": "support"}
            yield {"event_type": "handoff.requested", **handoff, "payload": {"reason": "asked"}}
            yield {"event_type": "handoff.accepted", **handoff, "participant_id": "agent-1"}
            answering = "agent-1"
        yield _message(answering, chosen)
    if answering != bot:
        yield {"event_type": "handoff.closed", "handoff_id": f"handoff-{number}"}
    closed = {"to": "closed"}
    yield {"event_type": "conversation.state_changed", "payload": closed}


def _message(participant_id: str, chosen: random.Random) -> dict[str, Any]:
    return {
        "event_type": "message.created",
        "participant_id": participant_id,
        "text": text(chosen),
    }


def as_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows of the store as the contract's table."""
    columns = list(zip(*rows, strict=True))[: len(SCHEMA)]
    arrays: list[Any] = [
        pa.array(list(values), field.type) for field, values in zip(SCHEMA, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def as_json(rows: list[tuple[Any, ...]]) -> bytes:
    """Rows of the store as NDJSON, instants as RFC 3339."""
    encoder = msgspec.json.Encoder()
    instants = {n for n, field in enumerate(SCHEMA) if pa.types.is_timestamp(field.type)}
    names = SCHEMA.names
    return encoder.encode_lines(
        {
            name: from_micros(row[n]) if n in instants and row[n] is not None else row[n]
            for n, name in enumerate(names)
            if row[n] is not None
        }
        for row in rows
    )
