"""Text and figures as the pages show them."""

import pytest

from dashboards import formatting


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("bell\x07 escape\x1b[31m", "bell⟨U+0007⟩ escape⟨U+001B⟩[31m"),
        ("abc\u202ecba", "abc⟨U+202E⟩cba"),
        ("\u2066x\u2069 \u200f \ufeff", "⟨U+2066⟩x⟨U+2069⟩ ⟨U+200F⟩ ⟨U+FEFF⟩"),
        ("hid\u200dden", "hid⟨U+200D⟩den"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d👩\u200d👧 ❤\ufe0f"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("שלום עולם", "שלום עולם"),
        ("blank\u2800\u3164", "blank⟨U+2800⟩⟨U+3164⟩"),
    ],
)
def test_invisible_and_bidirectional_characters_are_escaped(text: str, shown: str) -> None:
    assert formatting.reveal(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (63, "1 min 3 s"),
        (3600, "1 h"),
        (90_061, "1 d 1 h"),
        (-0.4, "0 s"),
        (-5, "-5 s"),
        (-3_661, "-1 h 1 min"),
    ],
)
def test_a_duration_is_formatted_in_its_two_largest_units(
    seconds: float | None, shown: str
) -> None:
    assert formatting.duration(seconds) == shown


def test_no_change_has_no_sign() -> None:
    assert formatting.change(0.0) == formatting.change(-0.0001) == "0.0 %"
