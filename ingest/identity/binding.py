"""Which keys lead from an item to its conversation, by the settings of its channel account. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from ingest.channels.addresses import dialled
from ingest.channels.base import Address, AddressChangeItem, Item
from ingest.contract import derived_id
from ingest.events.contact_state import AddressKey, Contact
from ingest.events.thread_keys import CONTACT

STABLE_KINDS = ("bsuid", "parent_bsuid")
"""Kinds from which ids are derived before all others: providers send them with every message."""

MAX_THREAD_KEYS = 50
"""Maximum number of thread keys of an item that are remembered: a mail may refer to hundreds."""

MAX_KEY_LENGTH = 998
"""Maximum characters of a thread key: the longest line of a mail (RFC 5322)."""


class BindingSettings(Struct, frozen=True, kw_only=True):
    """How a channel account assigns messages to conversations.

    `by`: one conversation for each address; for each address and channel; or for each contact, shared by
    all accounts that say so. `window_seconds`: after this silence a message begins a new conversation;
    None: never. `has_threads`: a message that names a known thread belongs to the conversation of the
    thread, whatever the window.
    """

    by: Literal["address", "address_and_channel", "contact"] = "address"
    window_seconds: int | None = None
    has_threads: bool = False


class Keys(Struct, frozen=True, kw_only=True):
    """The keys of one item, each list best first.

    `threads` and `bindings` lead to its conversation from now on. `earlier` may lead to one already.
    """

    threads: Sequence[str]
    bindings: Sequence[str]
    earlier: Sequence[str]


def key_of(address: Address) -> AddressKey:
    """Return what an address is found by."""
    return AddressKey(address.kind, address.value, address.scope)


def addresses_of(item: Item) -> tuple[Address, ...]:
    """Return every address that an item names, and the dialled form of an older number."""
    named = () if item.person is None else item.person.addresses
    return with_dialled(
        (item.old, item.new, *named) if isinstance(item, AddressChangeItem) else named
    )


def with_dialled(named: Iterable[Address]) -> tuple[Address, ...]:
    """Return each address once, and after them the dialled forms of those that are older forms of a number."""
    given = tuple(named)
    if len(given) == 1 and given[0].kind != "phone":
        return given
    return tuple(dict.fromkeys((*given, *(dialled(each) for each in given))))


def keys_of(
    item: Item,
    channel: str,
    settings: BindingSettings,
    contact: Contact | None,
    merged: Sequence[Contact],
) -> Keys:
    """Return the keys of an item from `contact`. `merged`: the contacts that are the same person by merges."""
    threads = _thread_keys(item) if settings.has_threads else []
    if contact is None:
        return Keys(threads=threads, bindings=[], earlier=[])
    if settings.by == "contact":
        bindings = [f"{CONTACT}{contact.contact_id}"]
        return Keys(
            threads=threads,
            bindings=bindings,
            earlier=[f"{CONTACT}{each.contact_id}" for each in merged],
        )
    suffix = f"@{channel}" if settings.by == "address_and_channel" else ""
    own = [key for each in addresses_of(item) if contact.has(key := key_of(each))]
    if len(own) > 1:
        own.sort(key=lambda each: each.kind not in STABLE_KINDS)
    return Keys(
        threads=threads,
        bindings=[_address_key(each) + suffix for each in own],
        earlier=[_address_key(each.key) + suffix for each in contact.former_addresses],
    )


def _thread_keys(item: Item) -> list[str]:
    """Return the thread's names, then the item's own, by which its replies will name it."""
    keys = (*item.thread[:MAX_THREAD_KEYS], item.provider_id)
    return [each for each in dict.fromkeys(keys) if 0 < len(each) <= MAX_KEY_LENGTH]


@lru_cache(maxsize=4096)
def _address_key(key: AddressKey) -> str:
    return f"address/{derived_id(f'address/{key.kind}/{key.scope}/{key.value}')}"
