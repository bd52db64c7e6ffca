"""Split a text that is longer than a provider takes. The parts joined are the text."""

import unicodedata
from collections.abc import Callable, Iterator
from itertools import takewhile

Unit = Callable[[str], int]
"""How much one code point counts: see `characters`, `utf16_units` and `utf8_bytes`."""

_SEPARATORS = ("\n\n", "\n", " ")
_ZERO_WIDTH_JOINER = "\u200d"


def characters(_character: str) -> int:
    """Count code points."""
    return 1


def utf16_units(character: str) -> int:
    """Count as JavaScript, Java and Telegram do: an emoji outside the basic plane is two."""
    return 2 if ord(character) > 0xFFFF else 1


def utf8_bytes(character: str) -> int:
    """Count the bytes of UTF-8."""
    code = ord(character)
    return 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)


def split_text(text: str, limit: int, unit: Unit = characters) -> list[str]:
    """Return the parts of a text, each at most `limit` units; `[text]` if it is short enough.

    A part ends at a paragraph, a line or a space in its second half, if there is one. Otherwise it ends
    between two graphemes. A grapheme that alone exceeds the limit ends between two code points.
    `limit` is at least 4, so that every code point fits.
    """
    if limit < 4:
        raise ValueError("a limit below 4 units has no room for some characters")
    return list(_parts(text, limit, unit)) or [text]


def text_size(text: str, unit: Unit = characters) -> int:
    """Return the length of a text in units."""
    return sum(map(unit, text))


def _parts(text: str, limit: int, unit: Unit) -> Iterator[str]:
    start = 0
    while start < len(text):
        longest = _longest_end(text, start, limit, unit)
        end = longest if longest == len(text) else _good_end(text, start, longest)
        yield text[start:end]
        start = end


def _longest_end(text: str, start: int, limit: int, unit: Unit) -> int:
    size = 0
    for index in range(start, min(len(text), start + limit)):
        size += unit(text[index])
        if size > limit:
            return index
    return min(len(text), start + limit)


def _good_end(text: str, start: int, longest: int) -> int:
    middle = start + (longest - start) // 2
    for separator in _SEPARATORS:
        end = text.rfind(separator, middle, longest) + len(separator)
        if end > middle and _is_boundary(text, start, end):
            return end
    boundaries = (end for end in range(longest, start, -1) if _is_boundary(text, start, end))
    return next(boundaries, longest)


def _is_boundary(text: str, start: int, index: int) -> bool:
    """Return whether a grapheme begins at `index`, if one begins at `start`."""
    before, after = text[index - 1], text[index]
    if _ZERO_WIDTH_JOINER in (before, after) or (before, after) == ("\r", "\n"):
        return False
    if _is_flag_letter(before) and _is_flag_letter(after):
        return _flag_letters_before(text, start, index) % 2 == 0
    return not _extends(after)


def _extends(character: str) -> bool:
    """Return whether a character belongs to the one before it: an accent, a skin tone, a tag of a flag."""
    return (
        unicodedata.category(character).startswith("M")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, start: int, index: int) -> int:
    return sum(1 for _ in takewhile(_is_flag_letter, reversed(text[start:index])))
