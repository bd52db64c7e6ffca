"""The chart of one metric by day."""

import altair as alt
import polars as pl

from dashboards.overview.charts import HEIGHT, PADDING, PALETTE
from warehouse.metric import Metric


def by_day(frame: pl.DataFrame, metric: Metric) -> alt.Chart:
    """Return the metric on each day with cases; a day without a case is a gap."""
    form = {"share": ".0%", "USD": "$,.4~f"}.get(metric.unit, ",.4~g")
    days = frame.with_columns(value=_value(metric)).select(
        pl.col("active_on").dt.to_string("%Y-%m-%d"), "value"
    )
    chart: alt.Chart = (
        alt.Chart(days)
        .mark_line(point=alt.OverlayMarkDef(size=28, color=PALETTE[0]), color=PALETTE[0])
        .encode(
            x=alt.X("active_on:O", title=None, axis=alt.Axis(labelOverlap="greedy", labelAngle=0)),
            y=alt.Y("value:Q", title=metric.unit, axis=alt.Axis(format=form)),
            tooltip=[
                alt.Tooltip("active_on:N", title="Day"),
                alt.Tooltip("value:Q", title=metric.title, format=form),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def _value(metric: Metric) -> pl.Expr:
    if metric.kind == "ratio":
        denominator = pl.col("denominator")
        return pl.when(denominator > 0).then(pl.col("numerator") / denominator)
    if metric.kind == "quotient":
        denominator = pl.col("denominator")
        return pl.when(denominator > 0).then(pl.col("value_sum") / denominator)
    if metric.kind == "duration":
        count = pl.col("value_count")
        return pl.when(count > 0).then(pl.col("value_sum") / count)
    return pl.col("value_sum")
