"""A figure as a card: value, change, trend, and a link to its definition and its cases."""

from collections.abc import Sequence

import streamlit as st

from dashboards import formatting
from dashboards.figures import Figure, has_before
from dashboards.filter_state import Bounds, Period, Scope
from dashboards.filters import address_of

DEFINITION = "metrics/page.py"

CASES = "Cases"


def show_cards(key: str, cards: Sequence[tuple[str, Figure]], scope: Scope, whole: Period) -> None:
    """Show figures side by side, each with its own label; two in a row on a phone."""
    with st.container(key=f"headline-{key}"):
        for column, (label, figure) in zip(st.columns(len(cards)), cards, strict=True):
            with column.container(border=True, gap="xsmall", height="stretch"):
                _show_card(label, figure, scope, whole)


def _show_card(label: str, figure: Figure, scope: Scope, whole: Period) -> None:
    is_known = figure.has_bot or not scope.names_bot
    trend = [each if each is not None else float("nan") for each in figure.trend]
    st.metric(
        label,
        _shown(figure),
        formatting.change_of(figure.value, figure.before, figure.unit),
        # More is neither good nor bad here, so the change has no colour.
        delta_color="off",
        help=figure.question,
        chart_data=trend if len(trend) > 1 and is_known else None,
        chart_type="area",
    )
    st.caption(_basis(figure) if is_known else "not known by bot")
    show_link(figure, scope, whole)


def _shown(figure: Figure) -> str:
    """Return the value; the label of a number of conversations or tokens names its unit already."""
    is_named = figure.unit in ("conversations", "tokens") and figure.value is not None
    return f"{figure.value:,.0f}" if is_named else formatting.measure(figure.value, figure.unit)


def _basis(figure: Figure) -> str:
    missing = f", {figure.missing:,} missing" if figure.missing else ""
    median = "median of " if figure.is_median else ""
    return f"{median}{formatting.counted(figure.count, 'case')}{missing}"


def show_link(
    figure: Figure,
    scope: Scope,
    whole: Period,
    label: str = CASES,
    **more: str,
) -> None:
    """Show a link to the metric's page, with the same filters and the query parameters `more`."""
    of = {"of": figure.breakdown} if figure.breakdown else {}
    st.page_link(
        DEFINITION,
        label=label,
        icon=":material/list:",
        help="The definition of this figure, what it leaves out, and the conversations behind it",
        query_params=address_of(scope, whole, metric=figure.name, **of, **more),
    )


def comparison(scope: Scope, whole: Period) -> str:
    """Return what the changes of a page compare with, or that there is nothing on record to compare with."""
    if not has_before(scope, whole):
        return "no whole period before on record to compare with"
    return f"change against the {formatting.counted(scope.period.days, 'day')} before"


def show_scope(scope: Scope, bounds: Bounds, whole: Period) -> None:
    """Show what every figure of the page is about: period, comparison, zone and business hours."""
    period = scope.period
    st.caption(
        f"{formatting.days(period.first_on, period.last_on)} ({bounds.reporting_zone}) · {comparison(scope, whole)} · "
        f"{hours_note(bounds)} · tests are not counted"
    )


def hours_note(bounds: Bounds) -> str:
    """Return whether business hours are set, and where durations are counted in them."""
    if not bounds.hours_zones:
        return "durations count every hour, no business hours are set"
    zones = ", ".join(bounds.hours_zones)
    return f"durations count every hour; the page Metrics has them in business hours ({zones}) too"
