"""Versions of the bot compared: shares with their intervals, and the difference to a base version."""

from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting
from dashboards.bot_quality import charts
from dashboards.bot_quality.data import COMPARED
from dashboards.figure_links import show_linked_table
from dashboards.figures import Figure
from dashboards.filter_state import Period, Scope
from warehouse.intervals import difference, wilson

COLUMNS: dict[str, Any] = {
    "version": "Version of the bot",
    "share": "Share",
    "interval": "95 % interval",
    "cases": st.column_config.NumberColumn("Cases", format="localized"),
    "change": "Difference",
    "change_interval": "95 % interval of the difference",
    "verdict": "Beyond chance",
}


def show_versions(versions: dict[str, dict[str, Figure]], scope: Scope, whole: Period) -> None:
    """Show one share of every version; the URL names which share, and which version is the base."""
    st.subheader("Versions of the bot compared", anchor=False)
    titles = {name: next(iter(of.values())).title for name, of in versions.items() if of}
    if not titles:
        st.info("No version of the bot is on record in this period. Bots name it in `bot_version`.")
        return
    left, right = st.columns(2)
    first = next(name for name in COMPARED if name in titles)
    others = {name: title for name, title in titles.items() if name != first}
    with left:
        name = filters.choose("Share", "share", others, titles[first]) or first
    found = versions[name]
    largest = max(found, key=lambda each: (found[each].count, each))
    bases = {each: formatting.quote(each) for each in sorted(found) if each != largest}
    with right:
        base = filters.choose(
            "Compared with", "base", bases, f"{formatting.quote(largest)}, most cases"
        )
    st.caption(
        "Wilson's interval of each share and Newcombe's of the difference, at 95 %. Versions were not drawn by lot: "
        "an interval shows chance, not a cause. All versions are shown, whichever is chosen above. "
        "Click a row for its conversations."
    )
    st.altair_chart(charts.versions(_points(found)), alt="Share of each version with its interval")
    rows = [
        _row(version, figure, found[base or largest]) for version, figure in sorted(found.items())
    ]
    opens = [{"metric": name, filters.VERSION: version} for version in sorted(found)]
    show_linked_table("versions", rows, COLUMNS, opens, scope, whole)


def _counts(figure: Figure) -> tuple[int, int]:
    return round(figure.numerator), figure.count


def _points(found: dict[str, Figure]) -> pl.DataFrame:
    rows = []
    for version, figure in sorted(found.items()):
        interval = wilson(*_counts(figure))
        if interval is not None:
            rows.append(
                {
                    "version": formatting.quote(version),
                    "share": figure.value,
                    "low": interval.low,
                    "high": interval.high,
                    "cases": figure.count,
                }
            )
    return pl.DataFrame(rows)


def _row(version: str, figure: Figure, base: Figure) -> dict[str, Any]:
    interval = wilson(*_counts(figure))
    change = None if figure == base else difference(_counts(figure), _counts(base))
    return {
        "version": formatting.quote(version),
        "share": formatting.share(figure.value),
        "interval": _limits(interval.low, interval.high) if interval else None,
        "cases": figure.count,
        "change": formatting.change_in_points(change.estimate) if change else None,
        "change_interval": _points_between(change.low, change.high) if change else None,
        "verdict": ("yes" if change.excludes_zero else "no") if change else "base",
    }


def _limits(low: float, high: float) -> str:
    return f"{formatting.share(low)} to {formatting.share(high)}"


def _points_between(low: float, high: float) -> str:
    return f"{formatting.change_in_points(low)} to {formatting.change_in_points(high)}"
