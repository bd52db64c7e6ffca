"""Charts: a frame in, an Altair chart out. Charts read no data and compute nothing.

Days are ISO texts on an ordinal axis, so that a browser in another time zone does not move
them. Colours work on a light and on a dark page.
"""

import zlib
from collections.abc import Sequence

import altair as alt
import polars as pl

from dashboards import formatting
from dashboards.cell_text import texts
from dashboards.filter_state import Grain

PALETTE = (
    "#3b82c4", "#e0893b", "#3fa66b", "#9a6bd0", "#d15b72",
    "#38a3a5", "#b58b2a", "#7d8ca3", "#c26bb0", "#6b8e3d",
)  # fmt: skip
ROLES = {"customer": "#2f9e9e", "bot": "#93a1b5", "agent": "#d8a035", "system": "#8e6bbf"}
HEIGHT = 300
PADDING = {"left": 4, "top": 8, "right": 20, "bottom": 4}

_AXIS_DAY = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}


def channel_colours(channels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each channel of the record, whichever channels a chart shows."""
    return {each: PALETTE[place % len(PALETTE)] for place, each in enumerate(channels)}


def _colour_of(channel: str, colours: dict[str, str]) -> str:
    """Return the channel's colour; a fixed one for a channel that is not in `colours`."""
    return colours.get(channel, PALETTE[zlib.crc32(channel.encode()) % len(PALETTE)])


def conversations_by_channel(
    frame: pl.DataFrame, grain: Grain, colours: dict[str, str]
) -> alt.Chart:
    """Return conversations started in each step, stacked by channel."""
    named = frame.with_columns(texts(frame["channel"], formatting.channel))
    return _stacked(
        named, grain, "conversations", "channel",
        {formatting.channel(each): _colour_of(each, colours) for each in frame["channel"].unique().sort()},
    )  # fmt: skip


def messages_by_role(frame: pl.DataFrame, grain: Grain) -> alt.Chart:
    """Return public messages in each step, stacked by the sender's role."""
    said = frame.group_by("role").agg(pl.col("messages").sum()).filter(pl.col("messages") > 0)
    present = set(said["role"])
    named = frame.filter(pl.col("role").is_in(list(present))).with_columns(
        pl.col("role").str.to_titlecase()
    )
    colours = {role.title(): colour for role, colour in ROLES.items() if role in present}
    return _stacked(named, grain, "messages", "role", colours)


def _stacked(
    frame: pl.DataFrame, grain: Grain, value: str, group: str, colours: dict[str, str]
) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(_with_days(frame))
        .mark_bar()
        .encode(
            x=_steps(grain),
            y=alt.Y(f"{value}:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",.0f")),
            color=_colour(group, colours),
            tooltip=[
                alt.Tooltip("day:N", title=_step_title(grain)),
                alt.Tooltip(f"{group}:N", title=group.capitalize()),
                alt.Tooltip(f"{value}:Q", title=value.capitalize(), format=","),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def handoff_rate_over_time(frame: pl.DataFrame, grain: Grain) -> alt.Chart:
    """Return the handoff rate by the step in which the demands opened; a gap is no data."""
    chart: alt.Chart = (
        alt.Chart(_with_days(frame))
        .mark_line(point=alt.OverlayMarkDef(size=28, color=PALETTE[0]), color=PALETTE[0])
        .encode(
            x=_steps(grain),
            y=alt.Y("handoff_rate:Q", title=None, axis=_percent(), scale=alt.Scale(zero=True)),
            tooltip=[alt.Tooltip("day:N", title=_step_title(grain)), *_RATE_TOOLTIP],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def handoff_rate_by_channel(frame: pl.DataFrame, colours: dict[str, str]) -> alt.Chart:
    """Return the handoff rate of each channel, in the channel's colour."""
    named = frame.with_columns(texts(frame["channel"], formatting.channel))
    present = {formatting.channel(each): _colour_of(each, colours) for each in frame["channel"]}
    chart: alt.Chart = (
        alt.Chart(named)
        .mark_bar(size=min(32, 0.7 * HEIGHT / max(1, named.height)))
        .encode(
            x=alt.X("handoff_rate:Q", title=None, axis=_percent(), scale=alt.Scale(zero=True)),
            y=alt.Y("channel:N", title=None, sort="-x", axis=alt.Axis(labelLimit=110)),
            color=_colour("channel", present).legend(None),
            tooltip=[alt.Tooltip("channel:N", title="Channel"), *_RATE_TOOLTIP],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


WEEKDAYS = {1: "Mon", 2: "Tue", 3: "Wed", 4: "Thu", 5: "Fri", 6: "Sat", 7: "Sun"}


def hour_map(frame: pl.DataFrame, value: str, title: str) -> alt.Chart:
    """Return a heat map of `value` by day of the week and hour; an hour without any is left out."""
    named = frame.with_columns(
        day=pl.col("weekday").replace_strict(WEEKDAYS, return_dtype=pl.String)
    )
    chart: alt.Chart = (
        alt.Chart(named)
        .mark_rect()
        .encode(
            x=alt.X(
                "hour:O",
                title=None,
                scale=alt.Scale(domain=list(range(24))),
                axis=alt.Axis(labelAngle=0, labelOverlap="greedy"),
            ),
            y=alt.Y("day:N", title=None, sort=list(WEEKDAYS.values())),
            color=alt.Color(f"{value}:Q", legend=None, scale=alt.Scale(scheme="blues")),
            tooltip=[
                alt.Tooltip("day:N", title="Day"),
                alt.Tooltip("hour:O", title="Hour"),
                alt.Tooltip(f"{value}:Q", title=title, format=","),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


def parts(frame: pl.DataFrame, name: str, unit: str) -> alt.Chart:
    """Return a bar for each row, in the order of the frame: `part`, `value` and `shown`."""
    form = ".0%" if unit == "share" else ",.0f"
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=PALETTE[0], size=min(32, 0.7 * HEIGHT / max(1, frame.height)))
        .encode(
            x=alt.X("value:Q", title=None, axis=alt.Axis(format=form, tickCount=5)),
            y=alt.Y("part:N", title=None, sort=None, axis=alt.Axis(labelLimit=160)),
            tooltip=[
                alt.Tooltip("part:N", title=name),
                alt.Tooltip("shown:N", title="Value"),
                alt.Tooltip("cases:Q", title="Cases", format=","),
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return chart


_RATE_TOOLTIP = [
    alt.Tooltip("handoff_rate:Q", title="Handoff rate", format=".1%"),
    alt.Tooltip("handed_off:Q", title="Handed off", format=","),
    alt.Tooltip("episodes:Q", title="Demands", format=","),
]


def _with_days(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        day=texts(frame["step_on"], formatting.day),
        step_on=pl.col("step_on").dt.to_string("%Y-%m-%d"),
    )


def _steps(grain: Grain) -> alt.X:
    # toDate() reads an ISO day as UTC, and utcFormat() writes it as UTC.
    label = f"utcFormat(toDate(datum.value), '{_AXIS_DAY[grain]}')"
    axis = alt.Axis(labelExpr=label, labelAngle=0, labelOverlap="greedy", labelSeparation=8)
    return alt.X("step_on:O", title=None, axis=axis)


def _step_title(grain: Grain) -> str:
    return {"day": "Day", "week": "Week of", "month": "Month of"}[grain]


def _percent() -> alt.Axis:
    return alt.Axis(format=".0%", tickCount=5)


def _colour(group: str, colours: dict[str, str]) -> alt.Color:
    return alt.Color(
        f"{group}:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(title=None, orient="bottom", columns=4, offset=4),
    )
