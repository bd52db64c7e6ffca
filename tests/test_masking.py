"""Masks cover usual forms of email addresses, phone and card numbers, and leave other text as it is."""

import json
import time

import polars as pl
import pytest

from dashboards.masking import locate, mask, mask_entries, mask_payload


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to ada.l+shop@mail.example.co.uk please", "write to ⟨email masked⟩ please"),
        ("<ada@example.org>, thanks.", "<⟨email masked⟩>, thanks."),
        ("ÄDA@exämple.de", "⟨email masked⟩"),
        ("4111 1111 1111 1111 exp 12/27", "⟨card number masked⟩ exp 12/27"),
        ("card:5500-0000-0000-0004.", "card:⟨card number masked⟩."),
        ("378282246310005", "⟨card number masked⟩"),
        ("call +49 170 1234567 now", "call ⟨phone number masked⟩ now"),
        ("+4917012345678", "⟨phone number masked⟩"),
        ("0049 (0)30 901820", "⟨phone number masked⟩"),
        ("030/901820-15, thanks", "⟨phone number masked⟩, thanks"),
        ("(555) 123-4567 or 555-123-4567", "⟨phone number masked⟩ or ⟨phone number masked⟩"),
        ("tel. 089 123456\nbye", "tel. ⟨phone number masked⟩\nbye"),
    ],
)
def test_personal_data_in_a_usual_form_is_masked(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "order 12345678 of 2030-03-31, 14:30:05",
        "4111 1111 1111 1112 has a wrong check digit",
        "on 01.02.2030 or 01/02/2030 at 09:30",
        "between 0.25 and 0.75, or 007",
        "server 127.0.0.1:8080, version 0.12.3",
        "id 018f4b2e-7c1a-7d3e-9b1a-0123456789ab",
        "a @ b, @handle, user@localhost",
        "https://shop.example/orders/0123456789012",
        "12 345 678 euros",
    ],
)
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert mask(text) == text


def test_values_of_a_payload_are_masked_at_every_depth_and_stay_json() -> None:
    given = {
        "comment": "line\nada@example.org",
        "attachments": [{"name": "\u00e9\\ada@example.org"}],
        "card": 4111111111111111,
        "seconds": 12,
        "ratio": 0.25,
        "is_test": True,
        "+4917012345678": None,
    }
    shown = json.loads(mask_payload(json.dumps(given)))
    assert shown == {
        "comment": "line\n⟨email masked⟩",
        "attachments": [{"name": "\u00e9\\⟨email masked⟩"}],
        "card": "⟨card number masked⟩",
        "seconds": 12,
        "ratio": 0.25,
        "is_test": True,
        "⟨phone number masked⟩": None,
    }
    assert mask_payload("{broken ada@example.org") == "{}"


def test_an_entry_says_whether_something_in_it_is_masked() -> None:
    entries = pl.DataFrame(
        {
            "text": ["hello", "ada@example.org", None, "x"],
            "participant_id": ["ada", "ada", None, "+4917012345678"],
            "payload": [None, None, '{"comment": "ada@example.org"}', "{}"],
            "sequence": [1, 2, 3, 4],
        }
    )
    shown = mask_entries(entries)
    assert shown["is_masked"].to_list() == [False, True, True, True]
    assert shown["text"].to_list() == ["hello", "⟨email masked⟩", None, "x"]
    assert not mask_entries(entries.clear()).height


@pytest.mark.parametrize(
    "text", ["+" * 50_000, "0 " * 50_000, "a." * 50_000 + "@", "1-" * 50_000, "(1" * 50_000]
)
def test_a_long_hostile_text_is_masked_in_a_moment(text: str) -> None:
    started = time.perf_counter()
    mask(text)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("My bill is wrong.", "bill is", "bill is"),
        ("Two\nlines  here", "lines here", "lines  here"),
        ("Write to ada@example.org, please.", "⟨email masked⟩, please", "ada@example.org, please"),
        ("Write to ada@example.org, please.", "email", "ada@example.org"),
        ("a@b.org or 4111 1111 1111 1111 or +49 170 1234567!", "masked⟩!", "+49 170 1234567!"),
        ("Order 12345678901234567 is here", "is here", "is here"),
        ("ада 👩\u200d👧 да", "да", None),
        ("no, no", "no", None),
        ("yes", "", None),
        ("yes", "no", None),
        ("a.b", "a+b", None),
    ],
)
def test_words_of_the_masked_text_have_one_place_in_the_text(
    text: str, words: str, found: str | None
) -> None:
    place = locate(text, words)
    assert (None if place is None else text[slice(*place)]) == found
