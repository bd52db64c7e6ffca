"""The chart of a result. A name of a result never becomes a field of the chart: it is only a title."""

from dataclasses import dataclass
from typing import Any, Self

import altair as alt
import polars as pl

from dashboards import formatting
from dashboards.overview.charts import PADDING, PALETTE

HEIGHT = 420


@dataclass(frozen=True)
class Axes:
    """The columns of a chart; without `colour` it has one colour."""

    across: str
    up: str
    colour: str | None

    @classmethod
    def of(
        cls, frame: pl.DataFrame, across: str | None, up: str | None, colour: str | None
    ) -> Self:
        """Complete the choice: a column of numbers up, another column across."""
        up = up or next(name for name in reversed(numbers(frame)) if name != across)
        across = across or next(name for name in frame.columns if name != up)
        return cls(across, up, colour)


def numbers(frame: pl.DataFrame) -> list[str]:
    """Return the columns with numbers."""
    return [name for name, kind in frame.schema.items() if kind.is_numeric()]


def draw(frame: pl.DataFrame, axes: Axes, kind: str) -> alt.Chart:
    """Return the chart of a kind: bar, line, point or area."""
    columns = {"across": axes.across, "up": axes.up} | (
        {} if axes.colour is None else {"colour": axes.colour}
    )
    data = frame.select(_plotted(frame, column).alias(name) for name, column in columns.items())
    chart = alt.Chart(data)
    marks = {"bar": chart.mark_bar, "point": chart.mark_point, "area": chart.mark_area}
    encoded: alt.Chart = (
        marks.get(kind, chart.mark_line)()
        .encode(
            x=_across(data, axes.across),
            y=alt.Y("up:Q", title=_title(axes.up)),
            color=_colour(axes),
            tooltip=[
                alt.Tooltip(f"{name}:{_type(data[name])}", title=_title(column))
                for name, column in columns.items()
            ],
        )
        .properties(height=HEIGHT, padding=PADDING)
    )
    return encoded


def _plotted(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Return a column as a chart reads it: days as instants, so that the browser's zone moves none."""
    kind = frame.schema[column]
    if kind == pl.Date:
        return pl.col(column).cast(pl.Datetime("ms"))
    if kind.is_decimal():
        return pl.col(column).cast(pl.Float64)
    return (
        pl.col(column)
        if kind.is_numeric() or kind.is_temporal()
        else pl.col(column).cast(pl.String)
    )


def _across(data: pl.DataFrame, column: str) -> alt.X:
    kind = _type(data["across"])
    if kind == "T":
        return alt.X("across:T", title=_title(column), scale=alt.Scale(type="utc"))
    if kind == "Q":
        return alt.X("across:Q", title=_title(column))
    return alt.X("across:N", title=_title(column), sort=None, axis=alt.Axis(labelLimit=140))


def _colour(axes: Axes) -> Any:
    if axes.colour is None:
        return alt.value(PALETTE[0])
    legend = alt.Legend(orient="bottom", columns=4, symbolLimit=40)
    return alt.Color(
        "colour:N", title=_title(axes.colour), scale=alt.Scale(range=list(PALETTE)), legend=legend
    )


def _type(values: pl.Series) -> str:
    if values.dtype.is_numeric():
        return "Q"
    return "T" if isinstance(values.dtype, pl.Datetime) else "N"


def _title(column: str) -> str:
    # Quoted, so that it is never a name with a meaning of its own: a tooltip would load what `image` names.
    return formatting.quote(column)
