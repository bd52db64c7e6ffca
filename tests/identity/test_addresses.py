"""Addresses: one person is spelled in one way, whatever the provider wrote."""

from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.channels import addresses
from ingest.channels.base import Address, AddressKind

KINDS = get_args(AddressKind)


@pytest.mark.parametrize(
    "spelling",
    [
        "4915112345678",
        "+4915112345678",
        "+49 (0)151 / 123-456-78",
        "whatsapp:+4915112345678",
        "tel:+49-151-12345678",
        "４９１５１１２３４５６７８",
    ],
)
def test_every_spelling_of_a_number_is_the_same_address(spelling: str) -> None:
    assert addresses.phone(spelling) == Address("phone", "+4915112345678")
    assert addresses.whatsapp(spelling) == Address("phone", "+4915112345678")


def test_a_national_number_needs_its_region() -> None:
    assert addresses.phone("0151 12345678", region="DE") == Address("phone", "+4915112345678")
    assert addresses.phone("0151 12345678").kind == "external_id"


@pytest.mark.parametrize(
    ("older", "dialled"),
    [
        ("5215512345678", "+525512345678"),  # Mexico, before 2019
        ("whatsapp:+525512345678", "+525512345678"),
        ("551187654321", "+5511987654321"),  # Brazil, without the ninth digit
        ("5511987654321", "+5511987654321"),
        ("551134567890", "+551134567890"),  # a landline has no ninth digit
        ("5491123456789", "+5491123456789"),
        ("541123456789", "+541123456789"),
        ("393331234567", "+393331234567"),
        ("390612345678", "+390612345678"),
    ],
)
def test_the_older_form_of_a_mobile_number_is_the_number_that_is_dialled(
    older: str, dialled: str
) -> None:
    found = addresses.whatsapp(older)
    assert addresses.dialled(found) == Address("phone", dialled)
    assert found.value.endswith(
        older.removeprefix("whatsapp:+")
    )  # answers go to the form that came


@pytest.mark.parametrize("digits", ["1111111111111", "115551234567", "52115512345678", "390055"])
def test_an_impossible_number_keeps_every_digit(digits: str) -> None:
    """It never becomes the number of another person."""
    assert addresses.phone(digits) == Address("external_id", digits)


@pytest.mark.parametrize("sender", ["32665", "CONVOLAKE", "1-800-FLOWERS", "123456789012345678"])
def test_a_sender_that_is_no_number_keeps_its_name(sender: str) -> None:
    assert addresses.phone(sender) == Address("external_id", sender)


@pytest.mark.parametrize(
    "spelling",
    [
        "ada@bücher.example",
        "Ada Lovelace <ADA@Bücher.example>",
        "ada@xn--bcher-kva.example",
        "mailto:Ada@B\u00dcCHER.example",
    ],
)
def test_every_spelling_of_a_mail_address_is_the_same_address(spelling: str) -> None:
    assert addresses.email(spelling) == Address("email", "ada@bücher.example")


@pytest.mark.parametrize("text", ["ada@@example.com", "no address", "@"])
def test_a_damaged_mail_address_is_kept_as_an_external_id(text: str) -> None:
    assert addresses.email(text).kind == "external_id"


def test_a_mail_address_of_an_inner_network_is_a_mail_address() -> None:
    assert addresses.email("ada@mail.invalid") == Address("email", "ada@mail.invalid")


def test_business_scoped_ids_and_their_parents_are_told_apart() -> None:
    assert addresses.whatsapp("US.13491208655302741918").kind == "bsuid"
    assert addresses.whatsapp("whatsapp:US.1349ab").value == "US.1349ab"
    assert addresses.bsuid("us.ENT.11815799212886844830").kind == "parent_bsuid"
    assert addresses.bsuid("16505551111").kind == "external_id"


def test_an_id_is_unique_within_its_scope() -> None:
    assert addresses.page_scoped_id("42", "page-1") != addresses.page_scoped_id("42", "page-2")
    assert addresses.slack_user("U1", "T1") == Address("slack_user", "U1", "T1")
    assert addresses.telegram_user(77) == Address("telegram_user", "77")


@given(st.sampled_from(KINDS), st.text(max_size=400), st.text(max_size=40))
@example("email", '"a\\ b"@x.de', "")
@example("phone", "+\udfff", "")
def test_any_text_has_a_normal_form_that_stays_as_it_is(
    kind: AddressKind, text: str, scope: str
) -> None:
    found = addresses.parse(kind, text, scope)

    assert len(found.value) <= addresses.MAX_LENGTH
    assert found.value.isprintable()
    assert found.value or not text.strip()
    if found.kind == kind:
        assert addresses.parse(kind, found.value, found.scope) == found


@given(st.sampled_from(["email", "phone", "bsuid"]), st.text(min_size=1, max_size=80))
def test_what_has_no_normal_form_is_not_lost(kind: AddressKind, text: str) -> None:
    found = addresses.parse(kind, text)

    assert found.kind in (kind, "parent_bsuid", "external_id")
