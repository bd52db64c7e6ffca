"""Accounts and signed calls of Meta's products for tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from ingest.channels.base import Account, Call, ChannelAdapter, Inbound
from ingest.channels.meta import instagram
from ingest.channels.meta.messenger import adapter as messenger
from ingest.channels.meta.whatsapp import adapter as whatsapp_cloud

NOW = 1_790_000_000_000_000
ADAPTERS: tuple[ChannelAdapter, ...] = (
    whatsapp_cloud.ADAPTER,
    messenger.ADAPTER,
    instagram.ADAPTER,
)

Item = TypeVar("Item")


def account(adapter: ChannelAdapter, **options: str) -> Account:
    return Account(
        account_id="account-1",
        provider=adapter.provider,
        channel=adapter.channels[0],
        address="900",
        options={"phone_number_id": "555", **options},
        secrets={
            "app_secret": ["newest secret", "oldest secret"],
            "verify_token": ["new word", "old word"],
            "access_token": ["token-1"],
        },
    )


def call_of(body: bytes) -> Call:
    return Call(method="POST", url="https://example.org", headers={}, query={}, body=body)


def items_of(adapter: ChannelAdapter, body: Any) -> list[Inbound]:
    """Return the items of a body, given as bytes or as the value to encode."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(adapter.parse(call_of(raw), account(adapter)))


def only(kind: type[Item], items: list[Inbound]) -> Item:
    """Return the one item, which has this kind."""
    [item] = items
    assert isinstance(item, kind)
    return item


def real_bodies(path: Path) -> Iterator[bytes]:
    """Yield the bodies of a file: itself, or each case of a collection of whole bodies."""
    raw = path.read_bytes()
    try:
        value = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        value = None
    if (
        isinstance(value, dict)
        and value
        and all(isinstance(case, dict) and "entry" in case for case in value.values())
    ):
        yield from (json.dumps(case).encode() for case in value.values())
    else:
        yield raw
