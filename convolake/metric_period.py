"""The period and the filters of `convolake metrics`: what the record has, or an error that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.metric_values import Period
    from warehouse.record_bounds import RecordBounds

DAYS = 30
"""Length of the period unless it is given."""

NAMES_SHOWN = 20
"""Known values that an error names."""


class MetricPeriodError(Exception):
    """The period has no day on record, or a filter names what is not on record."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for; None: the default, or no filter."""

    first_on: date | None = None
    last_on: date | None = None
    as_of: date | None = None
    channel: str | None = None
    bot: str | None = None
    bot_version: str | None = None


def choose_period(wish: Wish, bounds: "RecordBounds") -> "Period":
    """Return the period with its filters, by default the last days on record. Raises MetricPeriodError."""
    from warehouse.metric_values import Period

    if bounds.days is None:
        raise MetricPeriodError("there is no conversation on record yet")
    first_known, last_known = bounds.days
    last_on = wish.last_on or last_known
    first_on = wish.first_on or max(first_known, last_on - timedelta(days=DAYS - 1))
    # With one of them alone, the period can only be outside of the record.
    if wish.first_on is not None and wish.last_on is not None and first_on > last_on:
        raise MetricPeriodError(f"the period ends on {last_on}, before it begins on {first_on}")
    if first_on > last_known or last_on < first_known:
        raise MetricPeriodError(f"the period has no day on record; {_record(bounds.days)}")
    _check("channel", wish.channel, bounds.channels)
    _check("bot", wish.bot, bounds.bots)
    _check("bot version", wish.bot_version, bounds.bot_versions)
    channels = () if wish.channel is None else (wish.channel,)
    as_of = wish.as_of or last_known
    return Period(first_on, last_on, as_of, channels, wish.bot_version, wish.bot)


def note_on(period: "Period", bounds: "RecordBounds") -> str | None:
    """Return what to say of a period that is longer than the record; None if it is not."""
    if bounds.days is None:
        return None
    first_known, last_known = bounds.days
    if first_known <= period.first_on and period.last_on <= last_known:
        return None
    return f"the period is longer than the record; {_record(bounds.days)}"


def _record(days: tuple[date, date]) -> str:
    return f"the record has {days[0]} to {days[1]}"


def _check(kind: str, name: str | None, known: Sequence[str]) -> None:
    if name is None or name in known:
        return
    shown = ", ".join(repr(each) for each in known[:NAMES_SHOWN]) or "none"
    more = f" and {len(known) - NAMES_SHOWN:,} more" if len(known) > NAMES_SHOWN else ""
    raise MetricPeriodError(f"there is no {kind} {name!r} on record; there are: {shown}{more}")


def as_dict(period: "Period", bounds: "RecordBounds") -> dict[str, Any]:
    """Return the period and what its days and durations are counted in, for JSON."""
    return {
        "first_on": period.first_on.isoformat(),
        "last_on": period.last_on.isoformat(),
        "as_of": period.as_of.isoformat(),
        "reporting_zone": bounds.reporting_zone,
        "business_hours": ", ".join(bounds.hours_zones) or None,
    }
