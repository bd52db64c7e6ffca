"""ISO 8601 durations (`PT30M`, `P1D`) as microseconds; months and years have no fixed length."""

import re

from ingest.errors import EventRejectedError

_PATTERN = re.compile(
    r"P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?\Z"
)
_SECONDS = (604_800, 86_400, 3_600, 60, 1)
MIN_SECONDS = {"inactive_after": 60, "closed_after": 600}
"""Minimum duration of a timer, in seconds. Shorter ones would fire between two words (Twilio has the same: 1 and 10 minutes)."""


def parse_iso(text: str) -> int:
    """Return the microseconds of a duration. Raises ValueError if it is not a duration, or zero."""
    found = _PATTERN.match(text)
    parts = found.groups() if found else ()
    if not any(parts):
        raise ValueError("not an ISO 8601 duration such as PT30M, PT24H or P3D")
    return (
        sum(int(part or 0) * each for part, each in zip(parts, _SECONDS, strict=True)) * 1_000_000
    )


def format_iso(span: int) -> str:
    """Return the shortest way to write whole seconds of `span` microseconds."""
    days, rest = divmod(span // 1_000_000, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    time = "".join(
        f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if value
    )
    return (
        "P"
        + (f"{days}D" if days else "")
        + (f"T{time}" if time or not days else "")
        + ("" if time or days else "0S")
    )


def validate_duration(text: str, name: str) -> None:
    """Raise EventRejectedError unless `text` is a duration that the timer `name` may have."""
    place = f"$.payload.{name}"
    try:
        span = parse_iso(text)
    except ValueError as error:
        raise EventRejectedError(str(error), place) from None
    if span < MIN_SECONDS[name] * 1_000_000:
        raise EventRejectedError(f"at least {MIN_SECONDS[name]} seconds", place)
