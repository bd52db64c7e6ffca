"""The chart of the reviews page."""

from typing import Literal

import altair as alt
import polars as pl

from dashboards.overview.charts import HEIGHT, PADDING, PALETTE


def means(frame: pl.DataFrame) -> alt.LayerChart:
    """Return the mean score of each `sample`, with its interval from `low` to `high`, and `n` in the tooltip."""
    base = alt.Chart(frame).encode(
        y=alt.Y("sample:N", title=None, sort=None, axis=alt.Axis(labelLimit=180))
    )
    rules = base.mark_rule(color=PALETTE[0], strokeWidth=2).encode(x=_score("low"), x2="high:Q")
    points = base.mark_point(filled=True, size=80, color=PALETTE[0], opacity=1).encode(
        x=_score("mean"),
        tooltip=[
            alt.Tooltip("sample:N", title="Sample"),
            alt.Tooltip("mean:Q", title="Mean", format=".1f"),
            alt.Tooltip("low:Q", title="From", format=".1f"),
            alt.Tooltip("high:Q", title="To", format=".1f"),
            alt.Tooltip("n:Q", title="Conversations"),
        ],
    )
    chart: alt.LayerChart = (rules + points).properties(
        height=min(HEIGHT, 60 + 36 * frame.height), padding=PADDING
    )
    return chart


def _score(name: Literal["low", "mean"]) -> alt.X:
    return alt.X(
        f"{name}:Q",
        title="Mean score, 0 to 100",
        scale=alt.Scale(domain=[0, 100]),
        axis=alt.Axis(values=[0, 20, 40, 60, 80, 100]),
    )
