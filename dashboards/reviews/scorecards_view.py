"""The published scorecards, and an editor for the next version."""

import re
from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.reviews import connection, scorecards
from dashboards.reviews.visit import Visit, say
from ingest.client import Category, Scorecard

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")

NEW = "A new scorecard"

CRITICALITY = {"none": "No", "group": "For its group", "review": "For the review"}

COLUMNS: dict[str, Any] = {
    "title": st.column_config.TextColumn("Category", max_chars=200, width="large"),
    "group": st.column_config.TextColumn("Group", max_chars=64),
    "weight": st.column_config.NumberColumn("Weight", min_value=0, max_value=1000, default=1),
    "scale": st.column_config.SelectboxColumn("Points", options=[2, 3, 4, 5], default=3),
    "allows_not_applicable": st.column_config.CheckboxColumn("May be N/A", default=True),
    "criticality": st.column_config.SelectboxColumn(
        "Critical",
        width=130,
        options=list(CRITICALITY),
        format_func=lambda each: CRITICALITY[str(each)],
        default="none",
    ),
    "causes": st.column_config.TextColumn(
        "Causes of a negative rating, with commas", max_chars=1000, width="large"
    ),
    "id": None,
}


def show(visit: Visit) -> None:
    """Show every version, the newest first, and the editor."""
    published = connection.load_scorecards()
    if not published:
        _offer_default(visit)
    _show_versions(visit, published)
    st.subheader("Publish a scorecard", anchor=False)
    st.caption(
        "A published version never changes, so that scores stay comparable: a change becomes the next version. Samples "
        "keep the version that they were drawn with."
    )
    _show_editor(visit, scorecards.newest(published))


def _offer_default(visit: Visit) -> None:
    st.info(
        "**No scorecard is published yet.** The default one has "
        f"{len(scorecards.DEFAULT)} categories in three groups, with root causes and two critical categories. Publish it as "
        "it is, or change it in the editor below.",
        icon=":material/checklist:",
    )
    if st.button("Publish the default scorecard", type="primary", icon=":material/publish:"):
        _publish(visit, scorecards.DEFAULT_NAME, 1, scorecards.DEFAULT)


def _show_versions(visit: Visit, published: Sequence[Scorecard]) -> None:
    current = {(each.name, each.version) for each in scorecards.newest(published).values()}
    for place, each in enumerate(reversed(published)):
        is_current = (each.name, each.version) in current
        name = formatting.quote(each.name)
        with st.expander(
            f"{name}, version {each.version}{' (current)' if is_current else ''}",
            expanded=is_current and place == 0,
            key=f"version {each.name} {each.version}",
        ):
            by = formatting.quote(each.published_by or formatting.UNKNOWN)
            st.text(
                f"Published by {by}, {visit.moment(each.published_at)} ({visit.bounds.reporting_zone})"
            )
            st.dataframe(
                _frame(each.categories),
                hide_index=True,
                height="content",
                column_config=COLUMNS,
                key=f"categories {each.name} {each.version}",
            )


def _frame(categories: Sequence[Category]) -> pl.DataFrame:
    rows = scorecards.to_rows(categories)
    texts = ("title", "group", "causes")
    return pl.DataFrame(
        [row | {name: formatting.quote(row[name]) for name in texts} for row in rows]
    )


def _show_editor(visit: Visit, newest: dict[str, Scorecard]) -> None:
    base = st.selectbox(
        "Begin with",
        [*newest, NEW],
        format_func=lambda each: each if each == NEW else f"{each}, version {newest[each].version}",
        key=f"editor base of {len(newest)}",
    )
    card = newest.get(base)
    name = base if card is not None else _choose_name()
    categories = card.categories if card is not None else scorecards.DEFAULT
    rows = st.data_editor(
        scorecards.to_rows(categories),
        num_rows="dynamic",
        hide_index=True,
        column_config=COLUMNS,
        key=f"editor {base} {0 if card is None else card.version}",
    )
    version = 1 if card is None else card.version + 1
    edited = scorecards.from_rows(rows)
    problem = _problem(name, edited, newest if card is None else {})
    if problem is not None:
        st.caption(problem)
    if st.button(
        f"Publish version {version}",
        type="primary" if newest else "secondary",
        icon=":material/publish:",
        disabled=problem is not None or (card is not None and edited == card.categories),
        key="publish",
    ):
        _publish(visit, name, version, edited)


def _choose_name() -> str:
    return st.text_input(
        "Name",
        scorecards.DEFAULT_NAME,
        max_chars=32,
        key="scorecard name",
        help="Lower-case letters, digits and underscores, such as service or sales_chat.",
    ).strip()


def _problem(name: str, categories: Sequence[Category], taken: dict[str, Scorecard]) -> str | None:
    if not NAME.fullmatch(name):
        return "The name begins with a letter and has lower-case letters, digits and underscores."
    if name in taken:
        return "A scorecard has this name already: begin with it to publish its next version."
    if not any(each.weight for each in categories):
        return "At least one category needs a title and a weight above 0."
    return None


def _publish(visit: Visit, name: str, version: int, categories: Sequence[Category]) -> None:
    card = Scorecard(name=name, version=version, categories=list(categories))
    answer = connection.post(
        f"scorecard {name} {version}",
        lambda client, event_id: client.publish_scorecard(
            card, published_by=visit.reviewer, event_id=event_id
        ),
    )
    if answer is not None:
        say(f"Version {version} is published. New samples can use it.")
        st.rerun()
