"""The next conversation of a recorded draw, for one that has to be replaced."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import polars as pl

from dashboards.filter_state import Period, Scope, Search
from dashboards.reviews.draw_plan import METHODS, STRATA, strata_of
from dashboards.reviews.sampling import draw_random

SEARCH_FIELDS = frozenset(each.name for each in fields(Search))


@dataclass(frozen=True)
class Redraw:
    """How a sample was drawn: the filters of its list, its method and its seed. Without `stratify_by`: no strata."""

    scope: Scope
    search: Search
    method: str
    seed: int
    stratify_by: str | None = None


def redraw_of(filters: Mapping[str, Any], seed: int) -> Redraw | None:
    """Return how a sample with these recorded filters was drawn; None if this dashboard did not record them."""
    days = {"first_on": filters.get("from"), "last_on": filters.get("to")}
    searched = {name: value for name, value in filters.items() if name in SEARCH_FIELDS}
    by = filters.get("stratified_by")
    if filters.get("method") not in METHODS or by not in (None, *STRATA):
        return None
    try:
        period = msgspec.convert(days, Period)
        channels = msgspec.convert(filters.get("channels", []), tuple[str, ...])
        search = msgspec.convert(searched, Search)
    except msgspec.ValidationError:
        return None
    return Redraw(Scope(period, channels), search, filters["method"], seed, by)


def draw_next(
    redraw: Redraw, population: pl.DataFrame, drawn: Collection[str], stratum: str | None
) -> str | None:
    """Return the conversation that a larger sample would have had next, in this stratum; None if there is none.

    `population`: the rows of the list, in its order. `drawn`: the conversations that are, or were, in the sample.
    """
    ids = population["conversation_id"].to_list()
    if redraw.stratify_by is not None:
        strata = strata_of(population, redraw.stratify_by)
        ids = [each for each, of in zip(ids, strata, strict=True) if of == stratum]
    left = [each for each in ids if each not in drawn]
    if redraw.method == "top":
        return next(iter(left), None)
    return next((each.conversation_id for each in draw_random(left, 1, redraw.seed)), None)
