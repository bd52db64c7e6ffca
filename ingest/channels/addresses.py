"""Normal forms of addresses: two spellings of one address give the same `Address`.

Pure, and never raises. A text without a normal form of its kind is kept as `external_id`: short codes,
senders that are words, damaged mail addresses. A value has 1 to 256 printable characters; an empty text gives an
empty value, which is no address.
"""

import hashlib
import re
import unicodedata
from email.utils import parseaddr
from functools import lru_cache

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import PhoneNumber

from ingest.channels.base import Address, AddressKind

SPECIAL_USE_DOMAIN_NAMES.clear()
"""The library rejects domains such as `.local` otherwise; mail of inner networks has them. Its documentation
names this list as the way to change that.
"""

MAX_LENGTH = 256
"""Maximum characters of a value. A longer one keeps its beginning and gets a hash of the whole."""

KIND_OF_CHANNEL: dict[str, AddressKind] = {"whatsapp": "phone", "sms": "phone", "email": "email"}
"""Kind of an address that a client links without one."""

_PHONE_SCHEME = re.compile(r"(?:whatsapp|tel|sms|mms|rcs):", re.IGNORECASE)
_E164_DIGITS = range(8, 16)
"""Digits of a number with its country code: at most 15 (ITU-T E.164). Short codes have fewer than 8."""

_OLDER_FORMS = {
    52: (re.compile(r"1(\d{10})\Z"), r"\1"),
    55: (re.compile(r"(\d\d)([6-9]\d{7})\Z"), r"\g<1>9\2"),
}
"""By country code, what a mobile number lost or got: Mexico's 1 (2019), Brazil's ninth digit (2016).

WhatsApp ids may still have the form before; both forms are one subscriber.
"""

_BSUID = re.compile(r"[A-Za-z]{2}\.(ENT\.?)?[A-Za-z0-9]{1,128}\Z")
"""Country, dot, up to 128 letters and digits; `ENT` marks a parent. Source: Meta, business-scoped user ids."""


@lru_cache(maxsize=4096)
def phone(text: str | int, *, region: str | None = None) -> Address:
    """Return a phone number as E.164, `+4915112345678`; the plus may be missing, as in WhatsApp ids.

    `region` (`DE`) makes national spellings readable. Short codes, words and impossible numbers are an
    `external_id`, with their digits as they are.
    """
    given = _PHONE_SCHEME.sub("", _clean(text), count=1).strip()
    number = _e164(given, region)
    return Address("phone", number) if number is not None else external_id(given)


def _e164(given: str, region: str | None) -> str | None:
    """Return the number as E.164; None if it is not possible, or if its spelling has digits that are no part of it."""
    if any(each.isalpha() for each in given):  # the library would read letters as keys of a phone
        return None
    is_bare = given[:1].isdigit() and region is None
    try:
        number = phonenumbers.parse(f"+{given}" if is_bare else given, region)
    except phonenumbers.NumberParseException:
        return None
    if region is None and not _has_all_digits(given, number):
        return None
    formatted = _format(number)
    is_possible = phonenumbers.is_possible_number(_dialled(number))
    return formatted if is_possible and len(formatted) - 1 in _E164_DIGITS else None


@lru_cache(maxsize=4096)
def dialled(address: Address) -> Address:
    """Return the form in which a phone number is dialled now; the address itself if it has no other form.

    WhatsApp ids keep older forms. Answers go to the form that the provider named.
    """
    if address.kind != "phone":
        return address
    return Address("phone", _format(_dialled(phonenumbers.parse(address.value))))


def _dialled(number: PhoneNumber) -> PhoneNumber:
    older = _OLDER_FORMS.get(number.country_code or 0)
    if older is None or phonenumbers.is_valid_number(number):
        return number
    pattern, replacement = older
    national = int(pattern.sub(replacement, str(number.national_number)))
    newer = PhoneNumber(country_code=number.country_code, national_number=national)
    return newer if phonenumbers.is_valid_number(newer) else number


def _has_all_digits(given: str, number: PhoneNumber) -> bool:
    """Return whether no digit was left out but a trunk zero, as in `+49 (0)151`."""
    code = str(number.country_code)
    national = _format(number).removeprefix(f"+{code}")
    digits = phonenumbers.normalize_digits_only(given)
    return digits in (code + national, f"{code}0{national}")


def _format(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def email(text: str | int) -> Address:
    """Return a mail address in lower case, its domain in Unicode. A display name is left out."""
    given = _clean(text).removeprefix("mailto:")
    bare = parseaddr(given)[1] or given
    try:
        valid = validate_email(
            bare,
            check_deliverability=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
            globally_deliverable=False,
            test_environment=True,
        )
    except (EmailNotValidError, ValueError):
        return external_id(bare)
    return Address("email", _shorten(unicodedata.normalize("NFC", valid.normalized.lower())))


def bsuid(text: str | int) -> Address:
    """Return a business-scoped user id of WhatsApp (`US.1349…`), or its parent (`US.ENT.1181…`)."""
    given = _clean(text)
    found = _BSUID.match(given)
    if found is None:
        return external_id(given)
    kind: AddressKind = "parent_bsuid" if found[1] else "bsuid"
    return Address(kind, given[:2].upper() + given[2:])


def whatsapp(text: str | int) -> Address:
    """Return what a WhatsApp sender is called by: a number or a business-scoped user id."""
    given = _PHONE_SCHEME.sub("", _clean(text), count=1)
    return bsuid(given) if _BSUID.match(given) else phone(given)


def page_scoped_id(text: str | int, page_id: str) -> Address:
    """Return a user of Messenger, whose id is unique within a page."""
    return _scoped("page_scoped_id", text, page_id)


def instagram_id(text: str | int, account_id: str) -> Address:
    """Return a user of Instagram, whose id is unique within our account."""
    return _scoped("instagram_id", text, account_id)


def slack_user(text: str | int, team_id: str) -> Address:
    """Return a user of Slack, whose id is unique within a workspace."""
    return _scoped("slack_user", text, team_id)


def telegram_user(text: str | int) -> Address:
    """Return a user of Telegram, whose id is the same for every bot."""
    return _scoped("telegram_user", text, "")


def line_user(text: str | int, channel_id: str = "") -> Address:
    """Return a user of LINE, whose id is unique within the channels of one provider."""
    return _scoped("line_user", text, channel_id)


def external_id(text: str | int, scope: str = "") -> Address:
    """Return an id that another system gave; unique within `scope`."""
    return _scoped("external_id", text, scope)


def parse(kind: AddressKind, text: str | int, scope: str = "") -> Address:
    """Return the normal form of an address of this kind, as the functions above give it."""
    match kind:
        case "phone":
            return phone(text)
        case "email":
            return email(text)
        case "bsuid" | "parent_bsuid":
            return bsuid(text)
        case _:
            return _scoped(kind, text, scope)


def _scoped(kind: AddressKind, text: str | int, scope: str) -> Address:
    return Address(kind, _shorten(_clean(text)), _shorten(_clean(scope)))


def _clean(text: str | int) -> str:
    """Return the text without outer space; NUL, lone surrogates and other invisible characters are replaced."""
    stripped = str(text).strip()
    if stripped.isprintable():
        return stripped
    return "".join(each if each.isprintable() else "\ufffd" for each in stripped)


def _shorten(value: str) -> str:
    if len(value) <= MAX_LENGTH:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{value[: MAX_LENGTH - 65]}#{digest}"
