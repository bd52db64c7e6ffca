"""The form of a scorecard: a rating for each category, its causes, and the score that results."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import streamlit as st

from dashboards import formatting
from dashboards.reviews.scorecards import POINTS
from ingest.client import Category, needs_cause, score_ratings

NOT_APPLICABLE = -1
"""Option of a rating: the category does not apply."""

FEW = 2
"""Missing ratings that the page names; of more it gives the number."""

Ratings = dict[str, float | None]


@dataclass(frozen=True)
class Filled:
    """A form as it is filled in. `missing`: the parts that are not, in the words of the page."""

    ratings: Ratings
    causes: dict[str, list[str]]
    missing: list[str]


def fill_in(
    categories: Sequence[Category], key: str, given: Ratings | None = None, asks_causes: bool = True
) -> Filled:
    """Show the form and return what is filled in. `key` names its widgets; `given` is what it begins with."""
    ratings: Ratings = {}
    causes: dict[str, list[str]] = {}
    for group, members in groupby(categories, key=lambda each: each.group):
        if group:
            st.text(formatting.quote(group))
        for each in members:
            _fill_in_one(each, key, given or {}, ratings, causes if asks_causes else None)
    return Filled(ratings, causes, _missing(categories, ratings, causes if asks_causes else None))


def _fill_in_one(
    category: Category,
    key: str,
    given: Ratings,
    ratings: Ratings,
    causes: dict[str, list[str]] | None,
) -> None:
    with st.container(gap="xxsmall", key=f"category {key} {category.id}"):
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.text(formatting.quote(category.title))
            _show_criticality(category)
        chosen = _choose_point(category, key, given)
        if chosen is None:
            return
        rating = None if chosen == NOT_APPLICABLE else chosen / (category.scale - 1)
        ratings[category.id] = rating
        if causes is not None and needs_cause(category, rating):
            causes[category.id] = _choose_causes(category, key)


def _show_criticality(category: Category) -> None:
    match category.criticality:
        case "review":
            st.badge("Critical: a fail makes the score 0", color="red")
        case "group":
            st.badge("Critical for its group", color="orange")


def _choose_point(category: Category, key: str, given: Ratings) -> int | None:
    options = list(range(category.scale))
    if category.allows_not_applicable:
        options.append(NOT_APPLICABLE)
    names = {NOT_APPLICABLE: "N/A", **dict(enumerate(POINTS[category.scale]))}
    # The id is plain ASCII: a label is Markdown, and a person typed the title.
    return st.radio(
        f"Rating of {category.id}",
        options,
        index=_index(category, given, options),
        format_func=names.__getitem__,
        horizontal=True,
        label_visibility="collapsed",
        key=f"rating {key} {category.id}",
        persist_state="session",
    )


def _index(category: Category, given: Ratings, options: list[int]) -> int | None:
    if category.id not in given:
        return None
    rating = given[category.id]
    point = NOT_APPLICABLE if rating is None else round(rating * (category.scale - 1))
    return options.index(point) if point in options else None


def _choose_causes(category: Category, key: str) -> list[str]:
    return st.multiselect(
        f"Causes of {category.id}",
        category.causes,
        format_func=formatting.quote,
        placeholder="Why? Choose at least one cause",
        label_visibility="collapsed",
        key=f"causes {key} {category.id}",
        persist_state="session",
    )


def _missing(
    categories: Sequence[Category], ratings: Ratings, causes: dict[str, list[str]] | None
) -> list[str]:
    unrated = [each.title for each in categories if each.id not in ratings]
    unexplained = [each.title for each in categories if (causes or {}).get(each.id) == []]
    ratings_missing = [f"a rating of “{formatting.quote(title)}”" for title in unrated]
    if len(unrated) > FEW:
        ratings_missing = [f"{len(unrated)} ratings"]
    return [
        *ratings_missing,
        *(f"a cause for “{formatting.quote(title)}”" for title in unexplained),
    ]


def show_score(categories: Sequence[Category], filled: Filled) -> None:
    """Show the score that the ratings give so far, by the rule of the server, and what is missing."""
    outcome = score_ratings(categories, filled.ratings)
    value = formatting.UNKNOWN if outcome is None else score(outcome.score)
    st.metric("Score, 0 to 100", value, border=True)
    if outcome is not None and outcome.is_critical_failure:
        st.caption("A critical category failed.")
    if filled.missing:
        st.text(f"Missing: {', '.join(filled.missing)}")


def score(value: float | None) -> str:
    """Return a score, 0 to 100, for the page."""
    return formatting.UNKNOWN if value is None else f"{value:.1f}"
