"""Formats values for the page: numbers, times, names, and text that cannot deceive.

User text is data: the pages show what `reveal` returns as plain text, never as Markdown.
"""

from datetime import date, datetime, timedelta

import polars as pl

from dashboards.hidden_characters import reveal as reveal

UNKNOWN = "–"

CHANNELS = {
    "api": "API",
    "sms": "SMS",
    "web": "Web",
    "whatsapp": "WhatsApp",
    "rcs": "RCS",
    "line": "LINE",
}


def reveal_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose texts and column names are revealed; the names stay distinct."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    shown = frame.with_columns(_revealed(frame[name]) for name in texts)
    names = [reveal(name) for name in frame.columns]
    numbered = [
        each if names.count(each) == 1 else f"{each} ({place})"
        for place, each in enumerate(names, 1)
    ]
    return shown.rename(dict(zip(frame.columns, numbered, strict=True)))


def _revealed(texts: pl.Series) -> pl.Series:
    """Return the texts revealed; most have no character that can hide, and stay as they are."""
    others = texts.filter(~texts.str.contains(r"^[\n\t -~]*$")).unique()
    return texts.replace({text: reveal(text) for text in others})


def quote(value: object) -> str:
    """Return a value of the record for a sentence of the page, on one line, in its own direction."""
    text = " ".join(reveal(str(value)).split())
    # First-strong isolate: a Hebrew name does not reorder the words around it.
    return f"\u2068{text}\u2069"


def shorten(text: str, length: int = 160) -> str:
    """Return at most `length` characters of `text`, with an ellipsis if some are missing."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def name(value: str | None) -> str:
    """Return a name of our vocabulary (`handed_off`) as words."""
    return UNKNOWN if value is None else value.replace("_", " ").capitalize()


def channel(value: str | None) -> str:
    """Return a channel's display name."""
    return CHANNELS.get(value or "", name(value))


def count(value: int | None) -> str:
    """Return a whole number with thousands separated."""
    return UNKNOWN if value is None else f"{value:,}"


def counted(value: int, thing: str, things: str | None = None) -> str:
    """Return a number and its noun: 1 event, 2 events."""
    return f"{value:,} {thing if value == 1 else things or f'{thing}s'}"


def size(value: int) -> str:
    """Return a number of bytes in the largest unit that fits: 3.4 MB."""
    amount, units = float(value), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:,.0f} {units[0]}" if units[0] == "bytes" else f"{amount:,.1f} {units[0]}"


def share(value: float | None) -> str:
    """Return a share in percent; a dash if there is none, which differs from 0 %."""
    return UNKNOWN if value is None else f"{value:.1%}".replace("%", " %")


def duration(seconds: float | None) -> str:
    """Return a length of time in its two largest units."""
    if seconds is None:
        return UNKNOWN
    if round(seconds) < 0:
        return f"-{duration(-seconds)}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((place for place, (value, _) in enumerate(parts) if value), 3)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value) or "0 s"


def change(value: float | None) -> str | None:
    """Return a relative change with its sign; None if there is nothing to compare with."""
    return None if value is None else _signed(f"{value:+.1%}".replace("%", " %"))


def change_in_points(value: float | None) -> str | None:
    """Return a change of a share, in percentage points."""
    return None if value is None else _signed(f"{value * 100:+.1f} pp")


def change_in_time(seconds: float | None) -> str | None:
    """Return a change of a length of time."""
    if seconds is None:
        return None
    text = duration(seconds)
    return text if text.startswith("-") else f"+{text}"


def measure(value: float | None, unit: str) -> str:
    """Return a metric's value with its unit."""
    match unit:
        case _ if value is None:
            return UNKNOWN
        case "share":
            return share(value)
        case "seconds":
            return f"{value:.1f} s" if 0 < value < 10 else duration(value)
        case "USD":
            return f"{value:,.{4 if abs(value) < 1 else 2}f} USD"
        case _:
            return f"{value:,.2f} {unit}" if value < 1000 and value % 1 else f"{value:,.0f} {unit}"


def change_of(value: float | None, before: float | None, unit: str) -> str | None:
    """Return the change of a metric; None without a value or one to compare with."""
    if value is None or before is None:
        return None
    if unit == "share":
        return change_in_points(value - before)
    return change(value / before - 1) if before else None


def _signed(text: str) -> str:
    return text.removeprefix("+").removeprefix("-") if _is_zero(text) else text


def _is_zero(text: str) -> bool:
    return not any(character in "123456789" for character in text)


def day(value: date) -> str:
    """Return a day: 3 Oct 2026."""
    return f"{value.day} {value:%b %Y}"


def days(first_on: date, last_on: date) -> str:
    """Return a period, both ends included."""
    return day(first_on) if first_on == last_on else f"{day(first_on)} to {day(last_on)}"


def moment(value: datetime | None) -> str:
    """Return a day and a time: 3 Oct 2026, 14:05:09."""
    return UNKNOWN if value is None else f"{day(value)}, {value:%H:%M:%S}"


def age(since: datetime, now: datetime) -> str:
    """Return how long ago; never negative if a clock lags behind."""
    elapsed = max(now - since, timedelta())
    return "just now" if elapsed < timedelta(seconds=5) else f"{_largest(elapsed)} ago"


def _largest(elapsed: timedelta) -> str:
    units = [(86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")]
    size, unit = next(each for each in units if elapsed.total_seconds() >= each[0])
    return counted(int(elapsed.total_seconds() // size), unit)
