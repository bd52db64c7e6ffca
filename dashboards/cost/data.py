"""The figures of the cost page, read from the registry of metrics."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from dashboards.figures import Figure, read_breakdowns, read_figures, read_groups
from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, snapshot

TOTALS = ("model_cost_usd", "model_tokens", "model_cost_coverage")
COST_PER = (
    "model_cost_per_conversation_usd",
    "model_cost_per_contained_usd",
    "model_cost_per_durable_resolution_usd",
)
TOKENS_PER = (
    "model_tokens_per_conversation",
    "model_tokens_per_contained",
    "model_tokens_per_durable_resolution",
)
CARDS = {
    "model_cost_usd": "Cost of model calls",
    "model_tokens": "Tokens",
    "model_cost_coverage": "Calls with a known price",
    "model_cost_per_conversation_usd": "Cost per conversation",
    "model_cost_per_contained_usd": "Cost per contained demand",
    "model_cost_per_durable_resolution_usd": "Cost per durable resolution",
    "model_tokens_per_conversation": "Tokens per conversation",
    "model_tokens_per_contained": "Tokens per contained demand",
    "model_tokens_per_durable_resolution": "Tokens per durable resolution",
}
"""The figures at the top of the page, with their labels."""

BY_MODEL = ("model_cost_by_model_usd", "model_tokens_by_model", "model_cost_coverage_by_model")
BY_VERSION = (*TOTALS, *COST_PER)

Groups = dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class Cost:
    """The page, all of one snapshot of the warehouse.

    `models` and `versions`: for each its figures by metric; `versions` has every version, whichever is chosen.
    `days`: cost and tokens of each day and model.
    """

    cards: dict[str, Figure]
    models: Groups
    versions: Groups
    days: list[Figure]


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_cost(warehouse: Path, scope: Scope, whole: Period) -> Cost:
    """Return the figures of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    every_version = replace(scope, bot_version=None)
    with snapshot(warehouse) as cursor:
        cards = read_figures(cursor, scope, whole, CARDS)
        models = read_breakdowns(cursor, scope, whole, BY_MODEL)
        versions = read_groups(cursor, every_version, whole, "bot_version", BY_VERSION)
        days = read_groups(cursor, scope, whole, "active_on", BY_MODEL[:2])
    return Cost(
        cards={each.name: each for each in cards},
        models=_grouped((each.breakdown, each) for each in models if each.count or each.missing),
        versions=_grouped((str(each.group), each) for each in versions),
        days=days,
    )


def _grouped(figures: Iterable[tuple[str, Figure]]) -> Groups:
    found: Groups = {}
    for group, each in figures:
        found.setdefault(group, {})[each.name] = each
    return dict(sorted(found.items()))
