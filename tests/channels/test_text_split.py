"""A long text becomes parts that a provider takes, and that read as the text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.text_split import (
    Unit,
    characters,
    split_text,
    text_size,
    utf8_bytes,
    utf16_units,
)

UNITS = (characters, utf16_units, utf8_bytes)
FAMILY = "👨\u200d👩\u200d👧\u200d👦"
WHOLE = (
    FAMILY,
    "👍🏽",
    "🇩🇪",
    "é",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "❤️",
)
LETTERS = "a \n.é👍🏽🇩🇪\u200d\u0301\ufe0f漢שלום"


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from(LETTERS) | st.characters(codec="utf-8"), max_size=120),
    limit=st.integers(4, 40),
    unit=st.sampled_from(UNITS),
)
def test_the_parts_are_the_text_and_none_is_too_long(text: str, limit: int, unit: Unit) -> None:
    parts = split_text(text, limit, unit)
    assert "".join(parts) == text
    assert all(text_size(part, unit) <= limit for part in parts)
    assert all(parts) or parts == [""]


@pytest.mark.parametrize("unit", UNITS)
def test_sizes_are_those_of_the_encodings(unit: Unit) -> None:
    text = "aé漢👍"
    assert text_size(text, characters) == 4
    assert text_size(text, utf16_units) == len(text.encode("utf-16-le")) // 2
    assert text_size(text, utf8_bytes) == len(text.encode())
    assert text_size("", unit) == 0


@pytest.mark.parametrize("grapheme", WHOLE)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("offset", range(12))
def test_no_part_ends_inside_a_grapheme(grapheme: str, unit: Unit, offset: int) -> None:
    text = "x" * offset + grapheme * 20
    limit = max(text_size(grapheme, unit), 4) + 7
    for part in split_text(text, limit, unit):
        assert re.fullmatch(f"x*(?:{grapheme})*", part), part


def test_a_part_ends_at_a_paragraph_before_a_line_before_a_word() -> None:
    assert split_text("one\n\ntwo\nsix ten", 14) == ["one\n\ntwo\n", "six ten"]
    assert split_text("one one\n\ntwo\nsix ten", 14) == ["one one\n\n", "two\nsix ten"]
    assert split_text("one one two\nsix ten", 14) == ["one one two\n", "six ten"]
    assert split_text("supercalifragilistic", 14) == ["supercalifragi", "listic"]


def test_a_separator_early_in_the_part_does_not_make_it_short() -> None:
    assert split_text("a\n\n" + "b" * 30, 20) == ["a\n\n" + "b" * 17, "b" * 13]


def test_a_carriage_return_keeps_its_line_feed() -> None:
    assert split_text("aaaaaaa\r\nbbb", 8) == ["aaaaaaa", "\r\nbbb"]


def test_a_grapheme_longer_than_the_limit_ends_between_code_points() -> None:
    text = "a" + "\u0301" * 25
    parts = split_text(text, 10)
    assert [len(part) for part in parts] == [10, 10, 6]
    assert "".join(parts) == text


def test_a_short_text_is_one_part() -> None:
    assert split_text("", 10) == [""]
    assert split_text("short", 5) == ["short"]


def test_a_limit_that_some_characters_exceed_is_an_error() -> None:
    with pytest.raises(ValueError, match="limit"):
        split_text("text", 3, utf8_bytes)


def test_a_huge_text_is_split_in_linear_time() -> None:
    for text in ("a" * 300_000, "\u0301" * 100_000, "🇩🇪" * 50_000):
        assert "".join(split_text(text, 4096, utf16_units)) == text
