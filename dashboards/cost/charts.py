"""The chart of the cost page."""

import altair as alt
import polars as pl

from dashboards.overview.charts import HEIGHT, PADDING, PALETTE


def by_day(frame: pl.DataFrame, unit: str) -> alt.Chart:
    """Return the sums of each day, stacked by model: `day` (ISO), `model` and `value`."""
    form = ",.2~f" if unit == "USD" else ",.0f"
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelOverlap="greedy", labelAngle=0)),
            y=alt.Y("value:Q", title=unit, axis=alt.Axis(format=form)),
            color=alt.Color(
                "model:N",
                scale=alt.Scale(range=list(PALETTE)),
                legend=alt.Legend(title=None, orient="bottom", columns=3),
            ),
            tooltip=[
                alt.Tooltip("day:N", title="Day"),
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("value:Q", title=unit, format=",.4~f"),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart
