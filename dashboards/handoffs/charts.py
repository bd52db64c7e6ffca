"""The charts of the handoffs page."""

import altair as alt
import polars as pl

from dashboards.overview.charts import HEIGHT, PADDING, PALETTE

STEPS = {
    1: "below 30 s",
    2: "30 s to 1 min",
    3: "1 to 2 min",
    4: "2 to 5 min",
    5: "5 to 15 min",
    6: "15 min to 1 h",
    7: "1 h and more",
}


def funnel(frame: pl.DataFrame) -> alt.Chart:
    """Return a bar for each stage, in the order of the frame: `stage` and `handoffs`."""
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=PALETTE[0])
        .encode(
            x=alt.X("handoffs:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",.0f")),
            y=alt.Y("stage:N", title=None, sort=None, axis=alt.Axis(labelLimit=160)),
            tooltip=[
                alt.Tooltip("stage:N", title="Stage"),
                alt.Tooltip("handoffs:Q", title="Handoffs", format=","),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def waits(frame: pl.DataFrame) -> alt.Chart:
    """Return how many handoffs waited how long, on each clock: `clock`, `step` and `handoffs`."""
    named = frame.with_columns(
        wait=pl.col("step").replace_strict(STEPS, return_dtype=pl.String),
    )
    chart: alt.Chart = (
        alt.Chart(named)
        .mark_bar()
        .encode(
            x=alt.X("wait:N", title=None, sort=list(STEPS.values()), axis=alt.Axis(labelAngle=-30)),
            xOffset="clock:N",
            y=alt.Y("handoffs:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",.0f")),
            color=alt.Color(
                "clock:N",
                scale=alt.Scale(range=PALETTE[:3]),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("wait:N", title="Wait"),
                alt.Tooltip("clock:N", title="Clock"),
                alt.Tooltip("handoffs:Q", title="Handoffs", format=","),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart
