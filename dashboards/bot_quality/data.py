"""The figures of the bot quality page, read from the registry of metrics."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import streamlit as st

from dashboards.figures import (
    Figure,
    keep_figures,
    metric_named,
    read_breakdowns,
    read_durations,
    read_figures,
    read_groups,
    registry_period,
)
from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, snapshot
from warehouse import metric_values

LATENCY = "bot_latency"
CARDS = {
    "fallback_rate": "Fallback rate",
    "unanswered_turns": "Unanswered turns",
    "bot_abandonment": "Left the bot",
    LATENCY: "Latency of the bot",
}
"""The figures at the top of the page, with their labels."""

INTENTS = (
    "handoff_rate_by_intent",
    "containment_by_intent",
    "resolution_rate_by_intent",
    "csat_by_intent",
)
POINTS = "abandonment_by_last_intent"
COMPARED = (
    "containment",
    "handoff_rate",
    "bot_resolution",
    "durable_bot_resolution",
    "fallback_rate",
    "bot_abandonment",
    "csat",
)
"""Shares by which versions are compared. A turn without an answer is of no version."""


@dataclass(frozen=True)
class Latency:
    """The median and the 95th percentile of the latency of a day or a version, in seconds."""

    of: date | str
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class BotQuality:
    """The page, all of one snapshot of the warehouse.

    `intents`: for each intent its figures by metric, the most frequent first. `versions`: for each metric of
    COMPARED its figure by version, of all versions whichever is chosen.
    """

    cards: dict[str, Figure]
    intents: dict[str, dict[str, Figure]]
    points: list[Figure]
    versions: dict[str, dict[str, Figure]]
    latency_by_day: list[Latency]
    latency_by_version: list[Latency]


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_bot_quality(warehouse: Path, scope: Scope, whole: Period) -> BotQuality:
    """Return the figures of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    every_version = replace(scope, bot_version=None)
    with snapshot(warehouse) as cursor:
        keep_figures(cursor, scope, whole, (*CARDS, *INTENTS, POINTS, *COMPARED))
        latency = read_durations(cursor, scope, whole, (LATENCY,))
        cards = read_figures(cursor, scope, whole, CARDS, latency)
        broken_down = read_breakdowns(cursor, scope, whole, (*INTENTS, POINTS))
        versions = read_groups(cursor, every_version, whole, "bot_version", COMPARED)
        by_version = metric_values.read_percentiles(
            cursor,
            metric_named(LATENCY),
            registry_period(every_version, scope.period, whole),
            "bot_version",
        )
    points = [each for each in broken_down if each.name == POINTS and each.numerator]
    return BotQuality(
        cards={each.name: each for each in cards},
        intents=_by_intent(each for each in broken_down if each.name in INTENTS and each.count),
        points=sorted(points, key=lambda each: (-each.numerator, each.breakdown)),
        versions=_by_version(versions),
        latency_by_day=[Latency(day, *of) for day, of in sorted(latency[LATENCY].days.items())],
        latency_by_version=[Latency(*row) for row in by_version],
    )


def _by_intent(figures: Iterable[Figure]) -> dict[str, dict[str, Figure]]:
    found: dict[str, dict[str, Figure]] = {}
    for each in figures:
        found.setdefault(each.breakdown, {})[each.name] = each

    def cases(intent: str) -> tuple[int, str]:
        return -found[intent][INTENTS[0]].count, intent

    return {intent: found[intent] for intent in sorted(found, key=cases)}


def _by_version(figures: Iterable[Figure]) -> dict[str, dict[str, Figure]]:
    found: dict[str, dict[str, Figure]] = {name: {} for name in COMPARED}
    for each in figures:
        if each.group and each.count:
            found[each.name][str(each.group)] = each
    return found
