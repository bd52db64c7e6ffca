"""Calls about channel accounts. They need a key with the scope `channels:admin`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ingest.client.answers import Page
from ingest.client.call import Call, encode_fields, page_call
from ingest.client.channel_answers import (
    ChannelAccount,
    ChannelCallList,
    ChannelSend,
    ChannelSendList,
)


class ChannelAccountCalls:
    """The operations of channel accounts."""

    def create_channel_account(
        self,
        provider: str,
        address: str,
        secrets: Mapping[str, str],
        *,
        account_id: str | None = None,
        channel: str | None = None,
        options: Mapping[str, str] | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> Call[ChannelAccount]:
        """Create a channel account; its `url` is what to enter at the provider.

        Raises ProblemError `account_exists` if another one has this id, `invalid_request` if a field is missing.
        """
        body = encode_fields(
            provider=provider,
            address=address,
            secrets=secrets,
            account_id=account_id,
            channel=channel,
            options=options,
            policy=policy,
        )
        return Call("POST", "/v1/channels", ChannelAccount, body)

    def channel_accounts(self) -> Call[Page[ChannelAccount]]:
        """Return all channel accounts, oldest first."""
        return page_call("/v1/channels", Page[ChannelAccount], None)

    def channel_account(self, account_id: str) -> Call[ChannelAccount]:
        """Return a channel account. Raises ProblemError `unknown_account`."""
        return Call("GET", _path(account_id), ChannelAccount)

    def set_channel_secret(
        self, account_id: str, name: str, value: str, *, keeps_old: bool = True
    ) -> Call[ChannelAccount]:
        """Set a secret. With `keeps_old` the value before it stays valid. Safe to repeat."""
        body = encode_fields(name=name, value=value, keeps_old=keeps_old)
        return Call("POST", _path(account_id) + "/secrets", ChannelAccount, body)

    def enable_channel_account(self, account_id: str) -> Call[ChannelAccount]:
        """Enable a channel account. Safe to repeat."""
        return Call("POST", _path(account_id) + "/enable", ChannelAccount)

    def disable_channel_account(self, account_id: str) -> Call[ChannelAccount]:
        """Disable a channel account: it takes no calls and sends nothing. Safe to repeat."""
        return Call("POST", _path(account_id) + "/disable", ChannelAccount)

    def remove_channel_account(self, account_id: str) -> Call[ChannelAccount]:
        """Delete a channel account with its secrets, and return it as it was. Its events stay."""
        return Call("DELETE", _path(account_id), ChannelAccount)

    def channel_calls(self, account_id: str, limit: int = 20) -> Call[ChannelCallList]:
        """Return the newest calls of the provider, and why others were not verified."""
        params = {"limit": str(limit)}
        return Call("GET", _path(account_id) + "/calls", ChannelCallList, params=params)

    def channel_sends(
        self, account_id: str, state: str = "unknown", after: str = "", limit: int = 50
    ) -> Call[ChannelSendList]:
        """Return the sends of an account in a state, in the order of the log."""
        params = {"state": state, "after": after, "limit": str(limit)}
        return Call("GET", _path(account_id) + "/sends", ChannelSendList, params=params)

    def decide_channel_send(
        self, account_id: str, shard: int, position: int, decision: str
    ) -> Call[ChannelSend]:
        """Decide about a send that failed or is unknown: `resend`, `sent` or `failed`."""
        body = encode_fields(shard=shard, position=position, decision=decision)
        return Call("POST", _path(account_id) + "/sends", ChannelSend, body)


def _path(account_id: str) -> str:
    return f"/v1/channels/{quote(account_id, safe='')}"
