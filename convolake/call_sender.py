"""Sends recorded calls of a provider to the API, signed, and reads the outcome of each."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
from msgspec import Struct

from convolake.recorded_calls import FORM, RecordedCall, read_calls
from ingest.accounts.registry import ChannelAccount, open_account
from ingest.auth.secret_keys import open_secret_box
from ingest.channels.base import (
    Account,
    Call,
    ChannelAdapter,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.registry import ADAPTERS
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings

PUBLIC_URL = "webhook_url"
"""The option of providers that sign the URL."""


class Outcome(Struct, frozen=True):
    """The outcome of a call. `kind`: `taken`, `rejected`, `in part`, `empty` or `not taken`."""

    kind: str
    text: str


def signed_call(
    adapter: ChannelAdapter, recorded: RecordedCall, account: Account, now: int
) -> Call:
    """Return a recorded call, signed at `now` as its provider does. The query of a GET is signed as a form."""
    if recorded.method == "GET":
        return adapter.sign(recorded.query.encode(), FORM, account, now)
    return adapter.sign(recorded.body, recorded.content_type, account, now)


def post_call(url: str, recorded: RecordedCall, call: Call) -> int:
    """Send a signed call with the method of the recorded one; return the status."""
    is_get = recorded.method == "GET"
    query = call.body.decode() if is_get else recorded.query
    query = "&".join(filter(None, (call.url.partition("?")[2], query)))
    return httpx2.request(
        recorded.method,
        url + (f"?{query}" if query else ""),
        content=None if is_get else call.body,
        headers=dict(call.headers),
        timeout=60,
    ).status_code


class CallSender:
    """Sends calls to one channel account."""

    def __init__(self, settings: Settings, stored: ChannelAccount, api: Client) -> None:
        """Open the account's secrets. Raises UnreadableSecretError."""
        self._adapter = ADAPTERS[stored.provider]
        self._api = api
        self._url = f"{settings.url.rstrip('/')}/channels/{stored.account_id}"
        self._account = self._with_url(open_account(open_secret_box(settings), stored))
        self._last: str | None = None

    def _with_url(self, account: Account) -> Account:
        """Return the account with the URL that the provider calls, where it signs that."""
        signs_url = any(field.name == PUBLIC_URL for field in self._adapter.options)
        if not signs_url or PUBLIC_URL in account.options:
            return account
        url = self._api.channel_account(account.account_id).url
        return msgspec.structs.replace(account, options={**account.options, PUBLIC_URL: url})

    def send(self, path: Path) -> Iterator[tuple[str, Outcome]]:
        """Send each call of a file or folder; yield its name and its outcome."""
        calls = self._api.channel_calls(self._account.account_id, 1).items
        self._last = calls[0].call_id if calls else None
        for recorded in read_calls(path, self._is_body):
            yield recorded.name, self._send(recorded)

    def _sign(self, recorded: RecordedCall) -> Call:
        return signed_call(self._adapter, recorded, self._account, wall_clock())

    def _is_body(self, recorded: RecordedCall) -> bool:
        """Return whether the adapter reads a whole file as one call."""
        try:
            items = list(self._adapter.parse(self._sign(recorded), self._account))
        except UnreadableCallError:
            return False
        return any(not isinstance(item, UnreadableItem) for item in items)

    def _send(self, recorded: RecordedCall) -> Outcome:
        status = post_call(self._url, recorded, self._sign(recorded))
        if not 200 <= status < 300:
            return Outcome("not taken", f"status {status}")
        return self._outcome()

    def _outcome(self) -> Outcome:
        """Return what the API says of the newest call."""
        calls = self._api.channel_calls(self._account.account_id, 1).items
        if not calls or calls[0].call_id == self._last:
            return Outcome("empty", "answered at once: no event")
        call = calls[0]
        self._last = call.call_id
        stored = call.accepted + call.duplicate + call.parked + call.waiting
        counts = [
            f"{getattr(call, name)} {name}"
            for name in ("accepted", "duplicate", "conflict", "rejected", "parked", "waiting")
            if getattr(call, name)
        ]
        failed = call.rejected + call.conflict
        kind = "in part" if stored and failed else "rejected" if failed else "taken"
        text = ", ".join(counts) or "no event"
        reasons = "".join(f"; {each}" for each in dict.fromkeys(call.reasons))
        return Outcome(kind if counts else "empty", text + reasons)
