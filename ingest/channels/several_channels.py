"""What the providers of several channels share: persons, addresses, WhatsApp's window, choices."""

import base64
from collections.abc import Iterable
from typing import Any

from ingest.channels.base import Account, Address, AddressKind, OutboundMessage, Person
from ingest.channels.fields import present

_REACHED_BY: dict[str, tuple[AddressKind, ...]] = {
    "whatsapp": ("phone", "bsuid"),
    "messenger": ("page_scoped_id",),
    "sms": ("phone", "external_id"),
    "rcs": ("phone",),
    "viber": ("phone", "external_id"),
    "line": ("line_user",),
}
_WINDOW_MICROSECONDS = 24 * 3_600 * 1_000_000


def person_of(addresses: Iterable[Address], name: str | None, **attributes: Any) -> Person | None:
    """Return a person with each address once, or None without any. Attributes of None are left out."""
    found = tuple(dict.fromkeys(each for each in addresses if each.value))
    return Person(addresses=found, name=name, attributes=present(**attributes)) if found else None


def recipient(person: Person, channel: str) -> Address | None:
    """Return the person's first address that a channel reaches. An id of another system is none."""
    kinds = _REACHED_BY.get(channel, ("external_id",))
    reached = (each for each in person.addresses if each.kind in kinds)
    return next((each for each in reached if _is_of(each, channel)), None)


def _is_of(address: Address, channel: str) -> bool:
    return address.kind != "external_id" or address.scope in ("", channel)


def needs_template(message: OutboundMessage, account: Account) -> bool:
    """Return whether WhatsApp takes no free text: the person has not written in the last 24 hours.

    Source: Meta, customer service windows.
    """
    if account.channel != "whatsapp":
        return False
    last = message.last_inbound_at
    return last is None or message.now - last >= _WINDOW_MICROSECONDS


def text_with_choices(message: OutboundMessage) -> str:
    """Return the text of a message for a channel without buttons: a line for each choice, with its link."""
    choices = [*message.quick_replies, *message.buttons]
    lines = [f"{each.title}: {each.url}" if each.url else each.title for each in choices]
    return "\n".join([*([message.text] if message.text else []), *lines])


def basic_authorization(user: str, password: str) -> str:
    """Return the header value of RFC 7617."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def secret(account: Account, name: str) -> str:
    """Return the newest value of a secret, or an empty text."""
    return next(iter(account.secrets.get(name, ())), "")


def api_url(account: Account, default: str) -> str:
    """Return the base URL of the provider's API without a slash at its end."""
    return (account.options.get("api_url") or default).rstrip("/")
