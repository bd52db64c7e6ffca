"""The figures of the overview, computed from the events by other code."""

from pathlib import Path

import polars as pl

from dashboards.filter_state import Period
from tests.dashboard_pages.stories import ZONE
from tests.independent_metrics import walks_of


def started_conversations(events: pl.DataFrame) -> pl.DataFrame:
    """One row per conversation that counts: day and channel."""
    return events.filter(pl.col("event_type") == "conversation.created", ~pl.col("is_test")).select(
        "conversation_id",
        "on",
        "channel",
    )


def handoff_rates(lake: Path, period: Period) -> tuple[float, dict[str, float]]:
    """The handoff rate of all demands and of each channel, by other code than the metric's."""
    channels: dict[str, list[float]] = {}
    for walk in walks_of(lake, ZONE):
        for case in walk.cases():
            is_within = period.first_on <= case.day <= period.last_on
            if case.metric == "handoff_rate" and is_within:
                channels.setdefault(walk.events[0]["channel"], []).append(case.numerator or 0)
    every = [each for cases in channels.values() for each in cases]
    rates = {name: sum(cases) / len(cases) for name, cases in sorted(channels.items())}
    return sum(every) / len(every), rates


def in_period(frame: pl.DataFrame, period: Period) -> pl.DataFrame:
    return frame.filter(pl.col("on").is_between(period.first_on, period.last_on))


def figures(events: pl.DataFrame, period: Period) -> dict[str, float]:
    """The headline, computed by Polars from the events alone."""
    counted = in_period(events.filter(~pl.col("is_test")), period)
    kinds = counted.group_by("event_type").len()
    of = dict(zip(kinds["event_type"], kinds["len"], strict=True))
    internal = counted.filter(
        pl.col("event_type") == "message.created", pl.col("visibility") == "internal"
    ).height
    started = in_period(started_conversations(events), period)
    asked = counted.filter(pl.col("event_type") == "handoff.requested")
    accepted = events.filter(pl.col("event_type") == "handoff.accepted")
    waits = asked.join(accepted, on=["conversation_id", "handoff_id"]).select(
        (pl.col("happened_at_right") - pl.col("happened_at")).dt.total_seconds()
    )
    return {
        "conversations": started.height,
        "messages": of["message.created"] - internal,
        "sessions": of["session.started"],
        "wait_seconds": float(waits.to_series().median()),  # type: ignore[arg-type]
    }
