"""Times of foreign files: with a zone, without one, as numbers; outside 1990 to 2100 they are errors."""

from datetime import UTC, datetime, tzinfo
from typing import Any

FIRST_YEAR, LAST_YEAR = 1990, 2100

MISSING_ZONE = "the times have no zone"

_TICKS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Unix time above the first number is in nanoseconds, microseconds or milliseconds."""


class TimeFormatError(ValueError):
    """A value is not a time, or not one that a conversation can have."""


def read_time(value: Any, zone: tzinfo | None = None) -> datetime:
    """Return a time as an instant: Unix time of any unit, or ISO 8601 with a space or a T.

    A time without a zone is in `zone`, or in UTC. Raises TimeFormatError.
    """
    if isinstance(value, bool) or value is None:
        raise TimeFormatError("no time")
    if isinstance(value, int | float):
        return from_unix(float(value))
    text = str(value).strip()
    try:
        return from_unix(float(text))
    except ValueError as error:
        if isinstance(error, TimeFormatError):
            raise
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise TimeFormatError("not a time in ISO 8601 or Unix seconds") from None
    return placed(found, zone)


def has_zone(value: Any) -> bool:
    """Return whether a value that `read_time` reads says its zone."""
    try:
        float(value)
    except (TypeError, ValueError):
        text = str(value).strip()
        tail = text[10:]
        return text.endswith(("Z", "UTC")) or "+" in tail or "-" in tail
    return True


def from_unix(value: float) -> datetime:
    """Return Unix time in seconds, milliseconds, microseconds or nanoseconds. Raises TimeFormatError."""
    if value != value:  # NaN
        raise TimeFormatError("not a number")
    seconds = next((value / unit for least, unit in _TICKS if abs(value) >= least), value)
    try:
        return checked(datetime.fromtimestamp(round(seconds, 6), UTC))
    except (OverflowError, OSError, ValueError) as error:
        if isinstance(error, TimeFormatError):
            raise
        raise TimeFormatError("not a Unix time") from None


def placed(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a time as an instant; one without a zone is in `zone`, or in UTC. Raises TimeFormatError."""
    checked(moment)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC)).astimezone(UTC)


def checked(moment: datetime) -> datetime:
    """Return the time. Raises TimeFormatError if its year cannot be right."""
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise TimeFormatError(f"the year is not between {FIRST_YEAR} and {LAST_YEAR - 1}")
    return moment
