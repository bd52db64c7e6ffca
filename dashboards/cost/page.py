"""The cost page: money and tokens of model calls, per outcome, by model, version and day."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting, page_layout
from dashboards.cost import charts, data
from dashboards.cost.data import Cost, Groups
from dashboards.figure_cards import show_cards, show_scope
from dashboards.figure_links import show_linked_table
from dashboards.figures import Figure
from dashboards.filter_state import Bounds, Period, Scope

MODELS: dict[str, Any] = {
    "name": "Model",
    "calls": st.column_config.NumberColumn("Calls", format="localized"),
    "cost": "Cost (USD)",
    "tokens": "Tokens",
    "coverage": "Known price",
}
VERSIONS: dict[str, Any] = {
    "name": "Version of the bot",
    **{key: value for key, value in MODELS.items() if key != "name"},
    "conversation": "Per conversation (USD)",
    "contained": "Per contained demand (USD)",
    "durable": "Per durable resolution (USD)",
}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show what the bot's model calls cost in the chosen period."""
    scope = filters.choose_scope(bounds, whole, by_bot=True)
    found = data.load_cost(warehouse, scope, whole)
    show_scope(scope, bounds, whole)
    for number, names in enumerate((data.TOTALS, data.COST_PER, data.TOKENS_PER)):
        cards = [(data.CARDS[name], found.cards[name]) for name in names]
        show_cards(str(number), cards, scope, whole)
    if not found.models:
        st.info(
            "No model call is on record in this period with these filters. Bots report calls in "
            "`bot.turn_completed`, as `payload.model_call` with model, tokens and cost."
        )
        return
    _explain(found)
    _show_days(found)
    st.subheader("By model", anchor=False)
    st.caption("Model calls of the period · click a row for its calls")
    _show_groups("models", found.models, scope, whole)
    st.subheader("By version of the bot", anchor=False)
    st.caption("Every version, whichever is chosen above · click a row for its calls")
    _show_groups("versions", found.versions, scope, whole)


def _explain(found: Cost) -> None:
    """Say what is not in the sums: a call without a price is missing, not free."""
    unpriced = found.cards["model_cost_usd"].missing
    if unpriced:
        calls = formatting.counted(unpriced, "call")
        st.warning(
            f"{calls} without a price in US dollars: they are missing in every sum, not free. A conversation or "
            "demand with such a call is missing in the cost per outcome.",
            icon=":material/money_off:",
        )


def _show_days(found: Cost) -> None:
    left, right = st.columns(2)
    for column, name, title in (
        (left, "model_cost_by_model_usd", "Cost by day"),
        (right, "model_tokens_by_model", "Tokens by day"),
    ):
        figures = [each for each in found.days if each.name == name and each.value is not None]
        with column.container(border=True):
            st.subheader(title, anchor=False)
            unit = "US dollars" if name.endswith("usd") else "Tokens"
            st.caption(f"{unit}, by day of the call and model")
            if figures:
                st.altair_chart(charts.by_day(_frame(figures), figures[0].unit), alt=title)
            else:
                st.info("No call of this period reports it.")


def _frame(figures: Iterable[Figure]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"day": str(each.group), "model": formatting.quote(each.breakdown), "value": each.value}
            for each in figures
        ]
    )


def _show_groups(key: str, groups: Groups, scope: Scope, whole: Period) -> None:
    of_models = key == "models"
    names_of = data.BY_MODEL if of_models else data.TOTALS
    rows = [_row(name, figures, names_of) for name, figures in groups.items()]
    if not of_models:
        for row, figures in zip(rows, groups.values(), strict=True):
            names = zip(("conversation", "contained", "durable"), data.COST_PER, strict=True)
            row |= {column: _money(figures.get(name)) for column, name in names}
    opens = [
        {"metric": names_of[0], "of" if of_models else filters.VERSION: name} for name in groups
    ]
    show_linked_table(key, rows, MODELS if of_models else VERSIONS, opens, scope, whole)


def _row(name: str, figures: dict[str, Figure], metrics: tuple[str, ...]) -> dict[str, Any]:
    cost, tokens, coverage = (figures.get(each) for each in metrics)
    return {
        "name": formatting.quote(name) if name else "no version",
        "calls": coverage.count if coverage else 0,
        "cost": _money(cost),
        "tokens": formatting.measure(tokens.value, "tokens") if tokens else None,
        "coverage": formatting.share(coverage.value) if coverage else None,
    }


def _money(figure: Figure | None) -> str | None:
    """Return an amount; None, never 0, without a price."""
    return None if figure is None else formatting.measure(figure.value, figure.unit)


page_layout.show_page("Cost", show)
