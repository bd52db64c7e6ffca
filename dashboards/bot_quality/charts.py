"""The charts of the bot quality page."""

import altair as alt
import polars as pl

from dashboards.overview.charts import HEIGHT, PADDING, PALETTE


def latency(frame: pl.DataFrame) -> alt.Chart:
    """Return the latency by day: `day` (ISO), `percentile` and `seconds`."""
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line(point=alt.OverlayMarkDef(size=28))
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelOverlap="greedy", labelAngle=0)),
            y=alt.Y("seconds:Q", title="seconds", scale=alt.Scale(zero=True)),
            color=alt.Color(
                "percentile:N",
                scale=alt.Scale(range=[PALETTE[0], PALETTE[1]]),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("day:N", title="Day"),
                alt.Tooltip("percentile:N", title="Latency"),
                alt.Tooltip("seconds:Q", title="Seconds", format=",.1f"),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def abandonment(frame: pl.DataFrame) -> alt.Chart:
    """Return how many customers left after each last intent: `intent`, `left`, `of` and `rate`."""
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=PALETTE[0], size=min(28, 0.7 * HEIGHT / max(1, frame.height)))
        .encode(
            x=alt.X("left:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",.0f")),
            y=alt.Y("intent:N", title=None, sort=None, axis=alt.Axis(labelLimit=160)),
            tooltip=[
                alt.Tooltip("intent:N", title="Last intent"),
                alt.Tooltip("left:Q", title="Left the bot", format=","),
                alt.Tooltip("of:Q", title="Of demands", format=","),
                alt.Tooltip("rate:Q", title="Share", format=".1%"),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def versions(frame: pl.DataFrame) -> alt.LayerChart:
    """Return a share of each version with its interval: `version`, `share`, `low`, `high` and `cases`."""
    y = alt.Y("version:N", title=None, sort=None, axis=alt.Axis(labelLimit=160))
    axis = alt.Axis(format=".0%", tickCount=5)
    tooltip = [
        alt.Tooltip("version:N", title="Version of the bot"),
        alt.Tooltip("share:Q", title="Share", format=".1%"),
        alt.Tooltip("low:Q", title="At least", format=".1%"),
        alt.Tooltip("high:Q", title="At most", format=".1%"),
        alt.Tooltip("cases:Q", title="Cases", format=","),
    ]
    base = alt.Chart(frame)
    bars = base.mark_rule(color=PALETTE[0], strokeWidth=3).encode(
        x=alt.X("low:Q", title=None, axis=axis, scale=alt.Scale(zero=False)),
        x2="high:Q",
        y=y,
        tooltip=tooltip,
    )
    points = base.mark_point(color=PALETTE[0], filled=True, size=90, opacity=1).encode(
        x=alt.X("share:Q", title=None), y=y, tooltip=tooltip
    )
    chart: alt.LayerChart = (bars + points).properties(
        height=max(120, 48 * frame.height), padding=PADDING
    )
    return chart
