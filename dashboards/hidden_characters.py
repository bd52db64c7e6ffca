"""Makes every character visible that would hide, reorder or fake something on the screen.

Escaped are: control and format characters (direction, zero width, tags, soft hyphen), unassigned and private ones,
characters that look like nothing, and joiners and variation selectors where no script and no emoji uses them.
"""

import re
import unicodedata

# Invisible, but not in a control category: fillers, a blank braille cell, a joiner of combining marks, vowels of Khmer.
_INVISIBLE = set("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}

# Format characters that are signs to read: they stand before or around numbers in Arabic, Syriac and Kaithi.
_VISIBLE_FORMATS = set(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_JOINED_LETTERS = {"Lo", "Mn", "Mc"}
_NEVER_JOINED = (
    "HEBREW",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "COMBINING",
)
"""Beginnings of the names of letters and marks that no joiner joins."""

_STYLES = set("\ufe0e\ufe0f")
"""Selectors of text or emoji style."""
_SELECTORS = re.compile("[\ufe00-\ufe0f\u180b-\u180d\u180f\U000e0100-\U000e01ef]")
_KEYCAP = "\u20e3"
_KEYS = set("#*0123456789")
_OTHER_EMOJI = set("\u2139\u203c\u2049\u2194\u3030")
"""Characters with an emoji style that are not symbols: ℹ ‼ ⁉ ↔ 〰."""

_FLAGS = re.compile(
    "(\U0001f3f4(?:"
    + "|".join("".join(chr(0xE0000 + ord(c)) for c in name) for name in ("gbeng", "gbsct", "gbwls"))
    + ")\U000e007f)"
)
"""The three flags that are written with tags: England, Scotland, Wales."""


def reveal(text: str) -> str:
    """Return `text` with every character that hides escaped as ⟨U+…⟩.

    Line breaks and tabs stay, and so do joiners and selectors that are part of an emoji or of a script.
    """
    parts = _FLAGS.split(text)
    # Every second part is a flag.
    return "".join(part if place % 2 else _reveal(part) for place, part in enumerate(parts))


def _reveal(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if _hides(text, place) else character
        for place, character in enumerate(text)
    )


def _hides(text: str, place: int) -> bool:
    character = text[place]
    if character in "\n\t" or character in _VISIBLE_FORMATS:
        return False
    before, after = text[max(0, place - 1) : place], text[place + 1 : place + 2]
    if character in (_ZWNJ, _ZWJ):
        return not _joins(character, before, after)
    if _SELECTORS.match(character):
        return not _selects(character, before, after)
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _INVISIBLE


def _joins(joiner: str, before: str, after: str) -> bool:
    """Return whether a joiner between two characters changes how they look."""
    if not before or not after:
        return False
    around = before + after
    if all(_is_joined_letter(each) for each in around):
        return True
    return joiner == _ZWJ and all(_is_emoji(each) for each in around)


def _is_emoji(character: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    is_part = character in _STYLES or character in _OTHER_EMOJI or character == _KEYCAP
    return is_skin_tone or is_part or unicodedata.category(character) == "So"


def _is_joined_letter(character: str) -> bool:
    is_letter = unicodedata.category(character) in _JOINED_LETTERS
    return is_letter and not unicodedata.name(character, "").startswith(_NEVER_JOINED)


def _selects(selector: str, before: str, after: str) -> bool:
    """Return whether a variation selector chooses a form of the character before it."""
    if not before or _SELECTORS.match(before):
        return False
    name = unicodedata.name(before, "")
    if selector in _STYLES and before in _KEYS:
        return after == _KEYCAP
    if selector in _STYLES:
        return before in _OTHER_EMOJI or unicodedata.category(before) in ("So", "Sm")
    return name.startswith("MONGOLIAN" if selector < "\ufe00" else "CJK")
