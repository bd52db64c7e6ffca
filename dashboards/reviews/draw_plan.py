"""What to draw and how: the rules between the filters of a list and a recorded sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from dashboards import formatting
from dashboards.filter_state import Scope, Search
from dashboards.reviews.sampling import Drawn, draw_random, draw_stratified, draw_targeted

MAX_ITEMS = 1_000
"""Maximum number of conversations in a sample."""

Sampling = Literal["random", "stratified", "targeted"]

METHODS = {
    "random": "Random",
    "stratified": "Stratified: in proportion, at least one of each group",
    "top": "The first ones of the list, in its order",
}

STRATA = {
    "channel": "Channel",
    "handed_off": "Handed off or not",
    "bot_version": "Version of the bot",
    "state": "State",
}

BY_OUTCOME = {
    "state": "state",
    "is_handed_off": "handed off",
    "text": "words",
    "rating": "rating",
    "reason": "reason of a handoff",
    "outcome": "outcome of a handoff",
    "min_wait_seconds": "wait",
    "min_duration_seconds": "duration",
    "max_duration_seconds": "duration",
}
"""Filters that choose conversations by how they went. Their mean does not speak for the others."""


@dataclass(frozen=True)
class Plan:
    """How to draw a sample: by one of METHODS. `stratify_by`: a column of STRATA, for the method `stratified`."""

    method: str
    size: int
    seed: int
    stratify_by: str = "channel"


def outcome_filters(search: Search) -> list[str]:
    """Return the names of the chosen filters that choose conversations by how they went."""
    chosen = [label for key, label in BY_OUTCOME.items() if key in search.chosen]
    return list(dict.fromkeys(chosen))


def sampling_of(plan: Plan, search: Search) -> Sampling:
    """Return how the sample is recorded: `targeted` if the filters or the order look at how conversations went."""
    if plan.method == "top" or outcome_filters(search):
        return "targeted"
    return "stratified" if plan.method == "stratified" else "random"


def draw(population: pl.DataFrame, plan: Plan) -> list[Drawn]:
    """Return the drawn conversations. `population`: the rows of the list, in its order.

    Raises TooManyStrataError.
    """
    ids = population["conversation_id"].to_list()
    if plan.method == "top":
        return draw_targeted(ids, plan.size)
    if plan.method == "stratified":
        strata = strata_of(population, plan.stratify_by)
        return draw_stratified(dict(zip(ids, strata, strict=True)), plan.size, plan.seed)
    return draw_random(ids, plan.size, plan.seed)


def strata_of(population: pl.DataFrame, by: str) -> list[str]:
    """Return the stratum of each row of the list, by a column of STRATA."""
    if by == "handed_off":
        return ["handed off" if each else "not handed off" for each in population["handoff_count"]]
    return [formatting.shorten(each or "none", 64) for each in population[by].to_list()]


def filters_of(scope: Scope, search: Search, plan: Plan) -> dict[str, Any]:
    """Return what defined the population and the draw, for the record. Only what was chosen."""
    order = {"sort": search.sort} if search.sort != Search().sort else {}
    return {
        **scope.named,
        **search.chosen,
        **order,
        "method": plan.method,
        **({"stratified_by": plan.stratify_by} if plan.method == "stratified" else {}),
    }


ADDRESS = {
    "from": "from", "to": "to", "channels": "channel", "state": "state", "is_handed_off": "handed_off",
    "text": "search", "with_tests": "tests", "is_active": "active", "rating": "rating", "reason": "reason",
    "queue": "queue", "agent_id": "agent_id", "outcome": "outcome", "min_wait_seconds": "wait",
    "bot_id": "bot_id", "bot_version": "bot_version", "sort": "sort",
}  # fmt: skip
"""Where the URL of the list has each filter; that of the duration has both of its ends."""


def address_of(filters: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return the parameters of a URL that show the population of a recorded sample."""
    address = {ADDRESS[key]: _parameter(value) for key, value in filters.items() if key in ADDRESS}
    ends = [filters.get(key) for key in ("min_duration_seconds", "max_duration_seconds")]
    if ends != [None, None]:
        address["lasted"] = f"{ends[0] or 0}-{ends[1] or ''}"
    return address


def _parameter(value: Any) -> str | list[str]:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return [str(each) for each in value] if isinstance(value, list) else str(value)
