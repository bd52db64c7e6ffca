"""Masks personal data in what a page shows: email addresses, phone numbers and card numbers.

The patterns are simple and stated here. They find what is written in a usual form, and no more:

- an email address: name@domain.top
- a card number: 13 to 19 digits with a valid check digit (Luhn), alone or in groups
- a phone number: + or 00 or 0, then 7 to 14 digits in groups; or three, three and four digits in groups

Only the display is masked: the record, exports and search keep the text.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from dashboards.cell_text import texts

EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-])")
PHONE = re.compile(
    r"(?<![\w.,:/-])(?:(?:\+|00?)[ ]?(?:\(?\d{1,5}\)?[ ./-]?){1,6}\d{2,8}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?![\w:])"
)
DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})(?!\d)")
MIN_DIGITS, MAX_DIGITS = 8, 15
"""Digits of a phone number (E.164 has at most 15)."""

MARK = "⟨{} masked⟩"
COLUMNS = ("text", "participant_id", "queue", "error_code", "contact_id")
"""Columns of an entry, besides its payload, that may have personal data."""


def mask(text: str) -> str:
    """Return `text` with a mark in place of each email address, card number and phone number."""
    for pattern, mark in _steps():
        text = pattern.sub(mark, text)
    return text


def locate(text: str, words: str) -> tuple[int, int] | None:
    """Return where `words` of the masked text are in `text`: from a character up to, and without, another.

    A mark is all of the text that it masks. Between words any white space is the same. None if the masked text does not
    have them exactly once.
    """
    masked, places = _mask_with_places(text)
    pattern = r"\s+".join(map(re.escape, words.split()))
    found = list(re.finditer(pattern, masked)) if pattern else []
    if len(found) != 1:
        return None
    return places[found[0].start()][0], places[found[0].end() - 1][1]


def _mask_with_places(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the masked text, and for each of its characters the range of `text` that it shows or masks."""
    places = [(place, place + 1) for place in range(len(text))]
    for pattern, mark in _steps():
        shown, kept, end = "", [], 0
        for found in pattern.finditer(text):
            first, last = found.span()
            instead = mark(found)
            whole = (places[first][0], places[last - 1][1])
            same = instead == found[0]
            shown += text[end:first] + instead
            kept += places[end:first] + (places[first:last] if same else [whole] * len(instead))
            end = last
        text, places = shown + text[end:], kept + places[end:]
    return text, places


def mask_payload(payload: str) -> str:
    """Return a JSON text with its strings and long numbers masked; of invalid JSON nothing."""
    try:
        found = json.loads(payload)
    except ValueError:
        return "{}"
    return json.dumps(_mask_value(found), ensure_ascii=False)


def mask_ids(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return rows with the texts of the columns `names` masked."""
    return rows.with_columns(texts(rows[name], mask) for name in names)


def mask_entries(entries: pl.DataFrame) -> pl.DataFrame:
    """Return entries of a transcript masked; `is_masked` says in which of them something is."""
    names = [name for name in COLUMNS if name in entries.columns]
    masked = mask_ids(entries, names).with_columns(
        *(texts(entries[name], mask_payload) for name in ("payload",) if name in entries.columns),
    )
    changed = [entries[name].ne_missing(masked[name]) for name in names]
    if "payload" in entries.columns:
        changed.append(masked["payload"].fill_null("").str.contains("masked⟩", literal=True))
    is_masked = pl.Series(
        "is_masked", [any(each) for each in zip(*changed, strict=True)], pl.Boolean
    )
    return masked.with_columns(is_masked)


def _mask_value(value: Any) -> Any:
    match value:
        case str():
            return mask(value)
        case bool():
            return value
        case int():
            text = mask(str(value))
            return value if text == str(value) else text
        case list():
            return [_mask_value(each) for each in value]
        case dict():
            return {mask(name): _mask_value(each) for name, each in value.items()}
    return value


def _steps() -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]:
    """Return the patterns in the order in which they apply, and what each shows instead of a match."""
    return (EMAIL, _mask_email), (CARD, _mask_card), (PHONE, _mask_phone)


def _mask_email(_: re.Match[str]) -> str:
    return MARK.format("email")


def _mask_card(found: re.Match[str]) -> str:
    digits = [int(each) for each in found[0] if each.isdigit()]
    return MARK.format("card number") if _has_check_digit(digits) else found[0]


def _has_check_digit(digits: list[int]) -> bool:
    """Return whether the last digit is the check digit of the others (Luhn)."""
    doubled = [each * 2 - 9 * (each > 4) for each in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and any(digits)


def _mask_phone(found: re.Match[str]) -> str:
    digits = sum(each.isdigit() for each in found[0])
    if not MIN_DIGITS <= digits <= MAX_DIGITS or DATE.match(found[0]):
        return found[0]
    return MARK.format("phone number")
