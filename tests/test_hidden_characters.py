"""No character of a message hides: all that is invisible, or that reorders text, is shown as its code."""

import sys
import unicodedata

import pytest

from dashboards.hidden_characters import reveal

BIDI_CONTROL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Unicode's property Bidi_Control, all of it."""

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u180e\u00ad"
SELECTORS = [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x180E), 0x180F]
TAGS = [0xE0001, *range(0xE0020, 0xE0080)]
IGNORABLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u206a\u206f\ufff0\U0001bca0\U0001d173\U000e0fff"
)
"""Others of Unicode's property Default_Ignorable_Code_Point: they look like nothing."""


@pytest.mark.parametrize("character", [*BIDI_CONTROL, *ZERO_WIDTH, *IGNORABLE], ids=ascii)
def test_a_character_that_hides_between_latin_letters_is_shown(character: str) -> None:
    assert reveal(f"pay{character}pal") == f"pay⟨U+{ord(character):04X}⟩pal"
    assert reveal(character) == f"⟨U+{ord(character):04X}⟩"


@pytest.mark.parametrize("places", [SELECTORS, TAGS], ids=["variation selectors", "tags"])
def test_data_smuggled_behind_a_letter_or_an_emoji_is_shown(places: list[int]) -> None:
    hidden = "".join(map(chr, places))
    for before in ("a", "😀", "😀\ufe0f"):
        shown = reveal(before + hidden)
        assert shown.count("⟨U+") >= len(places) - 1, before


def test_no_character_of_unicode_is_shown_as_nothing() -> None:
    shown_as_they_are = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cf", "Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        and reveal(f"a{character}b") == f"a{character}b"
    ]
    names = {unicodedata.name(each, ascii(each)) for each in shown_as_they_are}
    assert len(names) == 15
    assert {name.split()[0] for name in names} == {"ARABIC", "SYRIAC", "KAITHI", "'\\t'", "'\\n'"}


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧\u200d👦 and 🧑🏽\u200d🚀",
        "❤\ufe0f ☎\ufe0e ™\ufe0f ℹ\ufe0f ‼\ufe0f 1\ufe0f\u20e3 #\ufe0f\u20e3",
        "🏳\ufe0f\u200d🌈 👁\ufe0f\u200d🗨\ufe0f 🙂\u200d↔\ufe0f ⛓\ufe0f\u200d💥",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇩🇪",
        "السلام عليكم ورحمة الله، رقم الطلب ٤٢",
        "وَقُل رَّبِّ زِدْنِي عِلْمًا\u06dd",
        "می\u200cخواهم کتاب\u200cها را",
        "שָׁלוֹם עוֹלָם, מה שלומך?",
        "क्\u200dष श्री\u200cमान् ශ්\u200dරී",
        "葛\U000e0100飾区 ありがとう 감사합니다 ขอบคุณ",
        "Größe, naïve, Zoë\u0308, e\u0301te\u0301",
        "two\nlines\tand a tab",
    ],
)
def test_ordinary_text_and_emoji_stay_as_they_are(text: str) -> None:
    assert reveal(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("של\u200dום", "של⟨U+200D⟩ום"),
        ("中\u200d文", "中⟨U+200D⟩文"),
        ("e\u0301\u200d\u0301", "e\u0301⟨U+200D⟩\u0301"),
        ("`\u200d`", "`⟨U+200D⟩`"),
        ("😀\u200c😀", "😀⟨U+200C⟩😀"),
        ("4\ufe0f2\ufe0f", "4⟨U+FE0F⟩2⟨U+FE0F⟩"),
        ("!\ufe0f", "!⟨U+FE0F⟩"),
        ("🏴\U000e0061\U000e007f", "🏴⟨U+E0061⟩⟨U+E007F⟩"),
    ],
)
def test_a_joiner_or_selector_that_changes_nothing_is_shown(text: str, shown: str) -> None:
    assert reveal(text) == shown
