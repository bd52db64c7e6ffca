"""Every metric computed a second time, by other code: one walk through each conversation's events, no SQL.

Polars reads the segments; `Walk` follows a conversation event by event and notes the cases of each metric.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from ingest.manifest import read_manifest

Row = dict[str, Any]
SPEAKERS = ("customer", "bot", "agent")


class Case(NamedTuple):
    """One case of a metric on a day: a ratio's numerator (of 1), or a value; a quotient's value has a denominator."""

    metric: str
    day: date
    numerator: float | None = None
    value: float | None = None
    breakdown: str = ""
    denominator: int = 0


@dataclass
class Episode:
    """A demand while it is followed."""

    opened_at: datetime
    next_opened_at: datetime | None = None
    said: list[tuple[str, bool, datetime]] = field(default_factory=list)
    requested_at: list[datetime] = field(default_factory=list)
    accepted: int = 0
    resolutions: list[Row] = field(default_factory=list)
    is_closed: bool = False
    is_idle: bool = False
    nlu: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    ratings: list[bool] = field(default_factory=list)

    def count(self, role: str) -> int:
        return sum(each[0] == role for each in self.said)

    def first(self, role: str) -> datetime | None:
        return next((at for who, _, at in self.said if who == role), None)

    def answered_first(self) -> str | None:
        """Return the role that answered first: in the order of the log, whatever the clocks say."""
        return next((who for who, *_ in self.said if who != "customer"), None)


@dataclass
class Handoff:
    """A handoff while it is followed."""

    requested_at: datetime
    reason: str
    accepted_at: datetime | None = None
    is_answered: bool = False
    ended_by: str | None = None


@dataclass
class Turn:
    """Customer messages in a row, and the first reply."""

    started_at: datetime
    owner: str
    reply: tuple[str, datetime] | None = None
    nlu: list[Row] = field(default_factory=list)
    is_resolved: bool = False


class Walk:
    """Follows one conversation. `cases` yields what it adds to the metrics."""

    def __init__(self, events: list[Row]) -> None:
        self.events = events
        self.is_test = events[0]["is_test"]
        self.started_at: datetime = events[0]["happened_at"]
        self.contact_id: str | None = None
        self.episodes: list[Episode] = []
        self.handoffs: dict[str, Handoff] = {}
        self.turns: list[Turn] = []
        self.messages: list[Row] = []
        self.ratings: list[Case] = []
        self.calls: list[Case] = []
        self.model_calls: list[Row] = []
        self.receipts: dict[str, tuple[datetime, str]] = {}
        self.agent_spans: list[tuple[datetime, datetime]] = []
        self._control = "none"
        self._agent_since: datetime | None = None
        self._open_handoff: str | None = None
        self._last_role: str | None = None
        self._asked: date | None = None
        self._is_over = True
        for event in events:
            event["data"] = json.loads(event["payload"] or "{}")
            if event["data"].get("was_stale") and event["event_type"] != "message.created":
                continue
            self._follow(event)
        if self._asked is not None:
            self.ratings.append(Case("csat_response_rate", self._asked, 0))

    def _follow(self, event: Row) -> None:
        kind, data, at = event["event_type"], event["data"], event["happened_at"]
        role = event["participant_role"]
        if event["contact_id"] and (kind == "conversation.created" or role == "customer"):
            self.contact_id = event["contact_id"]
        if kind == "conversation.created":
            roles = [each["participant_role"] for each in data.get("participants", [])]
            self._control = "bot" if "bot" in roles else "agent" if "agent" in roles else "none"
        elif (
            self._control == "none" and role in ("bot", "agent") and event["source"] != "convolake"
        ):
            self._control = role
        about, _, what = kind.partition(".")
        if kind == "message.created":
            self._say(event)
        elif about == "handoff":
            self._hand(event, what)
        elif kind == "control.changed":
            self._change_control(data, at)
        elif kind == "conversation.resolved":
            self._end_handoffs("resolved")
            if self.episodes:
                self.episodes[-1].resolutions.append(event)
            self._is_over = True
            self._last_role = None
            if self.turns:
                self.turns[-1].is_resolved = True
        elif kind == "conversation.reopened" and self._is_over and self.episodes:
            self._open_episode(at)
        elif kind == "conversation.state_changed" and data.get("to") == "closed":
            self._end_handoffs("closed")
            if self.episodes:
                self.episodes[-1].is_closed = True
        elif kind == "session.ended":
            if data.get("reason") == "participant_left":
                self._end_handoffs("customer")
            if self.episodes:
                self.episodes[-1].is_idle = True
        elif about == "feedback":
            self._rate(event)
        elif kind == "bot.turn_completed" and "model_call" in data:
            self._call(data["model_call"], at)
        elif what in ("submitted", "delivered", "read", "failed") and about == "message":
            first, status = self.receipts.get(event["message_id"], (at, ""))
            order = ("", "submitted", "failed", "delivered", "read")
            newest = max(status, what, key=order.index)
            self.receipts[event["message_id"]] = first, newest

    def _open_episode(self, at: datetime) -> None:
        if self.episodes:
            self.episodes[-1].next_opened_at = at
        self.episodes.append(Episode(at))
        self._is_over = False

    def _say(self, event: Row) -> None:
        role, at = event["participant_role"], event["happened_at"]
        if event["visibility"] != "public" or role not in SPEAKERS:
            return
        self.messages.append(event)
        nlu = event["data"].get("nlu")
        if role == "customer":
            if self._is_over:
                self._open_episode(at)
            if self._last_role != "customer":
                owner = (
                    "queue" if self._open_handoff and self._control != "agent" else self._control
                )
                self.turns.append(Turn(at, owner))
        elif self.turns and self.turns[-1].reply is None and not self.turns[-1].is_resolved:
            self.turns[-1].reply = role, at
        if self.turns and nlu:
            self.turns[-1].nlu.append(nlu)
        if self.episodes:
            is_fallback = bool((nlu or {}).get("is_fallback"))
            self.episodes[-1].said.append((role, is_fallback, at))
            self.episodes[-1].nlu += [nlu] if nlu else []
            self.episodes[-1].is_idle = False
        if role == "agent":
            newest = list(self.handoffs.values())[-1:]
            for handoff in newest:
                handoff.is_answered = True
        self._last_role = role

    def _hand(self, event: Row, what: str) -> None:
        name, at = event["handoff_id"], event["happened_at"]
        if what == "requested":
            self._end_handoffs("superseded")
            self.handoffs[name] = Handoff(at, event["data"].get("reason") or "unknown")
            self._open_handoff = name
            if self.episodes:
                self.episodes[-1].requested_at.append(at)
        elif what == "accepted" and self.handoffs[name].accepted_at is None:
            self.handoffs[name].accepted_at = at
            if self.episodes:
                self.episodes[-1].accepted += 1
        elif what in ("returned", "closed", "expired"):
            self._open_handoff = None
            handoff = self.handoffs[name]
            has_left = event["data"].get("reason") == "customer_left"
            handoff.ended_by = handoff.ended_by or ("customer" if has_left else what)

    def _end_handoffs(self, cause: str) -> None:
        for handoff in list(self.handoffs.values())[-1:]:
            handoff.ended_by = handoff.ended_by or cause

    def _change_control(self, data: Row, at: datetime) -> None:
        if self._agent_since is not None:
            self.agent_spans.append((self._agent_since, at))
            self._agent_since = None
        self._control = data["owner"]
        if data["owner"] == "human" and data.get("participant_id"):
            self._control, self._agent_since = "agent", at

    def _rate(self, event: Row) -> None:
        day, data = event["happened_at"].date(), event["data"]
        if self._asked is not None:
            is_answer = event["event_type"] == "feedback.submitted"
            self.ratings.append(Case("csat_response_rate", self._asked, int(is_answer)))
            self._asked = None
        if event["event_type"] == "feedback.requested":
            self._asked = day
        elif data.get("score") is not None:
            is_positive = data["score"] >= 0.8 * data.get("scale", 5)
            self.ratings.append(Case("csat", day, int(is_positive)))
            if self.episodes:
                self.episodes[-1].ratings.append(is_positive)

    def _call(self, call: Row, at: datetime) -> None:
        cost = call.get("cost") if call.get("currency", "USD") == "USD" else None
        self.calls.append(Case("model_tokens", at.date(), value=call.get("tokens")))
        self.calls.append(Case("model_cost_usd", at.date(), value=cost))
        self.calls.append(Case("model_cost_coverage", at.date(), int(cost is not None)))
        day, model = at.date(), call.get("model") or "unknown"
        self.calls += [
            Case("model_tokens_by_model", day, value=call.get("tokens"), breakdown=model),
            Case("model_cost_by_model_usd", day, value=cost, breakdown=model),
            Case("model_cost_coverage_by_model", day, int(cost is not None), breakdown=model),
        ]
        self.model_calls.append(call)
        if self.episodes:
            self.episodes[-1].calls.append(call)

    def cases(self) -> Iterator[Case]:
        yield from self._conversation_cases()
        yield from self.ratings
        yield from self.calls
        for episode in self.episodes:
            yield from _episode_cases(episode)
        for handoff in self.handoffs.values():
            yield from _handoff_cases(handoff)
        for turn in self.turns:
            yield from _turn_cases(turn)
        for first, status in self.receipts.values():
            yield Case("delivery_failures", first.date(), int(status == "failed"))
        for started_at, ended_at in self.agent_spans:
            yield Case("handle_time", started_at.date(), value=seconds(started_at, ended_at))
        for message in self.messages:
            if message["participant_role"] == "bot":
                stale = int(bool(message["data"].get("was_stale")))
                yield Case("stale_bot_messages", message["happened_at"].date(), stale)

    def _conversation_cases(self) -> Iterator[Case]:
        day = self.started_at.date()
        is_engaged = any(each["participant_role"] == "customer" for each in self.messages)
        yield Case("engaged_rate", day, int(is_engaged))
        yield Case("conversations", day, value=1)
        yield from _per("conversation", day, self.model_calls, is_counted=True)
        if is_engaged:
            yield Case("messages_per_conversation", day, len(self.messages))
            yield Case("turns_per_conversation", day, len(self.turns))
            yield Case("handoffs_per_conversation", day, len(self.handoffs))


def _per(what: str, day: date, calls: list[Row], *, is_counted: bool) -> Iterator[Case]:
    """Yield tokens and cost per `what`: missing if one of the calls does not report them."""
    if not calls:
        return
    in_dollars = [
        each.get("cost") if each.get("currency", "USD") == "USD" else None for each in calls
    ]
    for name, reported in (
        (f"model_tokens_per_{what}", [each.get("tokens") for each in calls]),
        (f"model_cost_per_{what}_usd", in_dollars),
    ):
        known = [Decimal(str(each)) for each in reported if each is not None]
        total = float(sum(known)) if len(known) == len(calls) else None
        yield Case(name, day, value=total, denominator=int(is_counted and total is not None))


def _human(name: str, day: date, start: datetime, end: datetime | None) -> Iterator[Case]:
    """Yield a duration of people's work, on both clocks."""
    on_both = (None, None) if end is None else (seconds(start, end), open_seconds(start, end))
    for suffix, value in zip(("", "_in_business_hours"), on_both, strict=True):
        yield Case(name + suffix, day, value=value)


OPEN = """
[[schedule]]
valid_from = 2026-01-01
zone = "Europe/Berlin"
holidays = [2026-11-18]
hours.monday = ["09:00-12:00", "13:00-17:00"]
hours.tuesday = ["09:00-12:00", "13:00-17:00"]
hours.wednesday = ["09:00-12:00", "13:00-17:00"]
hours.thursday = ["09:00-12:00", "13:00-17:00"]
hours.friday = ["09:00-12:00", "13:00-17:00"]
"""
"""Business hours, and the same rule again in `is_open`."""


def is_open(instant: datetime) -> bool:
    at = instant.astimezone(ZoneInfo("Europe/Berlin"))
    is_working_day = at.weekday() < 5 and at.date() != date(2026, 11, 18)
    return is_working_day and at.hour in (9, 10, 11, 13, 14, 15, 16)


def open_seconds(start: datetime, end: datetime) -> int | None:
    """Count the seconds in business hours hour by hour: they begin and end with an hour."""
    if end < start:
        return None
    at, last = (each.replace(microsecond=0, tzinfo=UTC) for each in (start, end))
    total = 0
    while at < last:
        hour_ends = at.replace(minute=0, second=0) + timedelta(hours=1)
        until = min(hour_ends, last)
        total += int((until - at).total_seconds()) if is_open(at) else 0
        at = until
    return total


def seconds(start: datetime, end: datetime) -> int | None:
    """Return whole seconds between two instants, or None if the end is before the start."""
    whole = end.replace(microsecond=0) - start.replace(microsecond=0)
    return int(whole.total_seconds()) if end >= start else None


def is_eligible(episode: Episode) -> bool:
    is_final = bool(episode.resolutions) or episode.is_closed or episode.is_idle
    return (
        is_final
        and episode.count("customer") > 0
        and (episode.count("bot") > 0 or bool(episode.requested_at))
    )


def is_handed_off(episode: Episode) -> bool:
    return bool(episode.requested_at) or episode.count("agent") > 0


def outcome_of(episode: Episode) -> str:
    if episode.resolutions:
        confirmed = any(each["data"].get("is_confirmed") for each in episode.resolutions)
        return "confirmed" if confirmed else "assumed"
    return "silent" if episode.said[-1][0] == "bot" else "unanswered"


def _episode_cases(episode: Episode) -> Iterator[Case]:
    day = episode.opened_at.date()
    is_resolved = bool(episode.resolutions)
    if is_resolved or episode.is_closed or episode.is_idle:
        is_served = episode.accepted > 0 or episode.count("agent") > 0
        yield Case("deflection", day, int(not is_served))
    yield from _response_cases(episode)
    if not is_eligible(episode):
        return
    handed_off = is_handed_off(episode)
    outcome = None if handed_off else outcome_of(episode)
    answers = sum(who == "bot" and not fallback for who, fallback, _ in episode.said)
    by_bot = is_resolved and episode.resolutions[0]["data"].get("resolved_by") == "bot"
    bot_resolved = by_bot and not handed_off and answers > 0
    yield Case("containment", day, int(not handed_off))
    yield Case("handoff_rate", day, int(handed_off))
    yield Case("resolution_rate", day, int(is_resolved))
    yield Case("bot_resolution", day, int(bot_resolved))
    yield Case("bot_abandonment", day, int(outcome == "silent"))
    is_durable = bot_resolved and not _is_back(episode)
    yield from _intent_cases(episode, outcome)
    yield from _per("contained", day, episode.calls, is_counted=not handed_off)
    yield from _per("durable_resolution", day, episode.calls, is_counted=is_durable)
    if outcome is not None:
        for each in ("confirmed", "assumed", "silent", "unanswered"):
            yield Case(f"contained_{each}", day, int(outcome == each))
    if is_resolved:
        resolved_at = episode.resolutions[0]["happened_at"]
        yield Case("reopen_rate", day, int(_is_back(episode)))
        yield from _human("resolution_time", day, episode.opened_at, resolved_at)
        if bot_resolved:
            yield Case("durable_bot_resolution", day, int(is_durable))
        if episode.requested_at:
            yield from _human("human_resolution_time", day, episode.requested_at[0], resolved_at)


def _is_back(episode: Episode) -> bool:
    """Return whether a resolved episode was followed by another within 7 days."""
    limit = episode.resolutions[0]["happened_at"] + timedelta(days=7)
    return episode.next_opened_at is not None and episode.next_opened_at <= limit


def _intent_cases(episode: Episode, outcome: str | None) -> Iterator[Case]:
    day = episode.opened_at.date()
    understood = [each["intent"] for each in episode.nlu if not each.get("is_fallback")]
    reported = ["fallback" if each.get("is_fallback") else each["intent"] for each in episode.nlu]
    first, last = (*understood, "unknown")[0], ("unknown", *reported)[-1]
    for name, is_counted in (
        ("containment", outcome is not None),
        ("handoff_rate", outcome is None),
        ("resolution_rate", bool(episode.resolutions)),
    ):
        yield Case(f"{name}_by_intent", day, int(is_counted), breakdown=first)
    is_abandoned = int(outcome == "silent")
    yield Case("abandonment_by_last_intent", day, is_abandoned, breakdown=last)
    if episode.ratings:
        yield Case("csat_by_intent", day, int(episode.ratings[-1]), breakdown=first)


def _response_cases(episode: Episode) -> Iterator[Case]:
    day, bot, agent = episode.opened_at.date(), episode.first("bot"), episode.first("agent")
    if bot is not None and episode.answered_first() == "bot":
        yield Case("bot_first_response", day, value=seconds(episode.opened_at, bot))
    if episode.requested_at:
        yield Case(
            "time_to_handoff", day, value=seconds(episode.opened_at, episode.requested_at[0])
        )
    if is_handed_off(episode):
        start = episode.requested_at[0] if episode.requested_at else episode.opened_at
        yield from _human("human_first_response", day, start, agent)


def _handoff_cases(handoff: Handoff) -> Iterator[Case]:
    day, ended_by = handoff.requested_at.date(), handoff.ended_by
    yield Case("handoff_reasons", day, value=1, breakdown=handoff.reason)
    abandoned = handoff.accepted_at is None and ended_by == "customer"
    yield Case("queue_abandonment", day, int(abandoned))
    is_ended = ended_by not in (None, "customer", "superseded")
    yield Case("unserved_handoffs", day, int(is_ended and not handoff.is_answered))
    if handoff.accepted_at is not None:
        yield from _human("pickup_wait", day, handoff.requested_at, handoff.accepted_at)


def _turn_cases(turn: Turn) -> Iterator[Case]:
    day = turn.started_at.date()
    by, at = turn.reply or ("no one", turn.started_at)
    if turn.owner == "bot":
        yield Case("unanswered_turns", day, int(by == "no one" and not turn.is_resolved))
    if turn.owner in ("bot", "none") and by == "bot":
        yield Case("bot_latency", day, value=seconds(turn.started_at, at))
    if by == "agent":
        yield from _human("human_reply_time", day, turn.started_at, at)
    if turn.nlu:
        yield Case("fallback_rate", day, int(any(each.get("is_fallback") for each in turn.nlu)))


def _callback_cases(walks: Iterable[Walk], merges: dict[str, str]) -> Iterator[Case]:
    """Yield the cases of the metrics that compare the conversations of a person."""
    opened: dict[str, list[Episode]] = defaultdict(list)
    for walk in walks:
        if walk.contact_id is not None:
            opened[person_of(walk.contact_id, merges)] += walk.episodes
    for episodes in opened.values():
        weeks = {monday(each.opened_at) for each in episodes}
        for week in weeks:
            yield Case("retention", week, int(week + timedelta(days=7) in weeks))
        for episode in filter(is_eligible, episodes):
            until = episode.opened_at + timedelta(hours=24)
            is_back = any(episode.opened_at < each.opened_at <= until for each in episodes)
            kept = not is_handed_off(episode) and not is_back
            yield Case("contained_without_callback", episode.opened_at.date(), int(kept))


def merges_of(lake: Path) -> dict[str, str]:
    """Return the contact that each contact is merged into, after the last event of the lake."""
    merges: dict[str, str] = {}
    kinds = ["contact.merged", "contact.unmerged"]
    for row in _rows(lake, pl.col("event_type").is_in(kinds)):
        merges.pop(row["contact_id"], None)
        if row["event_type"] == "contact.merged":
            merges[row["contact_id"]] = json.loads(row["payload"])["into"]
    return merges


def person_of(contact_id: str, merges: dict[str, str]) -> str:
    """Return the contact that all merges lead to."""
    while contact_id in merges:
        contact_id = merges[contact_id]
    return contact_id


def _rows(lake: Path, chosen: pl.Expr) -> list[Row]:
    """Return the chosen events of a lake, in the order of the log."""
    files = [lake / segment.path for segment in read_manifest(lake)[0]]
    events = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])
    return events.filter(chosen).sort("position").to_dicts()


def monday(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def walks_of(lake: Path, zone: str = "UTC") -> list[Walk]:
    """Follow every conversation of a lake that is no test. Days are those of `zone`."""
    files = [lake / segment.path for segment in read_manifest(lake)[0]]
    events = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])
    local = events.with_columns(pl.col("happened_at").dt.convert_time_zone(zone))
    streams = local.filter(pl.col("conversation_id").is_not_null()).sort("sequence")
    groups = streams.partition_by("conversation_id")
    return [walk for group in groups if not (walk := Walk(group.to_dicts())).is_test]


def _review_cases(lake: Path, conversations: set[str]) -> Iterator[Case]:
    """Yield the cases of reviews, which are no events of their conversations: fold each with what followed it."""
    reviews: dict[str, Row] = {}
    for row in _rows(lake, pl.col("event_type").str.starts_with("review.")):
        data = json.loads(row["payload"])
        if row["event_type"] == "review.submitted":
            reviews[row["event_id"]] = data | {
                "day": row["happened_at"].date(),
                "is_disputed": False,
            }
        elif row["event_type"] == "review.disputed":
            reviews[data["review_id"]]["is_disputed"] = True
        elif row["event_type"] == "review.resolved" and data["outcome"] == "changed":
            reviews[data["review_id"]]["score"] = data["score"]
    for review in reviews.values():
        if review["conversation_id"] not in conversations or review.get("is_calibration"):
            continue
        yield Case("review_dispute_rate", review["day"], int(review["is_disputed"]))
        if review.get("sampling") == "random":
            yield Case("review_score", review["day"], value=review["score"], denominator=1)


def independent_cases(lake: Path) -> list[Case]:
    """Return the cases of every metric, from the segments of a lake."""
    walks = walks_of(lake)
    real = {walk.events[0]["conversation_id"] for walk in walks}
    return [
        *(case for walk in walks for case in walk.cases()),
        *_callback_cases(walks, merges_of(lake)),
        *_review_cases(lake, real),
    ]
