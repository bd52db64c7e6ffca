"""Channel accounts as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from ingest.accounts import registry
from ingest.accounts.registry import AccountPolicy, ChannelAccount
from ingest.api.dependencies import AppContext
from ingest.contract import from_micros
from ingest.errors import UnreadableSecretError

AccountId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z")]
Name = Annotated[str, Field(max_length=64)]
Value = Annotated[str, Field(min_length=1, max_length=8192)]


class Policy(BaseModel):
    """How an account sends, and which conversation a message belongs to.

    `send`: what happens to a send of unknown result: a person decides, or it is sent again. `binding`: one
    conversation for an address, for an address on one channel, or for a contact.
    """

    model_config = ConfigDict(extra="forbid")

    send: Literal["at_most_once", "at_least_once"] = "at_most_once"
    requests_per_second: float | None = Field(None, gt=0, le=10_000, strict=True)
    binding: Literal["address", "address_and_channel", "contact"] = "address"
    new_conversation_after: int | None = Field(
        None, ge=0, le=10 * 365 * 86_400, strict=True, description="seconds without a message"
    )
    automatic_replies_per_hour: int = Field(
        3, ge=0, le=10_000, strict=True, description="mails of bots and the system to one contact"
    )

    def stored(self) -> AccountPolicy:
        """Return the policy as the store keeps it."""
        return AccountPolicy(**self.model_dump())


class NewAccount(BaseModel):
    """A number, page or inbox. `docs/channels` says for each provider what to enter, and where to find it."""

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    provider: Name
    account_id: AccountId | None = Field(None, description="part of the URL for the provider")
    channel: Name | None = Field(None, description="the provider's first channel if left out")
    address: Value = Field(description="our own side: a number, a page id, a mail address")
    options: dict[Name, Value] = {}
    secrets: dict[Name, Value] = {}
    policy: Policy = Policy()


class AccountChanges(BaseModel):
    """What to change. `options` replaces all options."""

    model_config = ConfigDict(extra="forbid")

    address: Value | None = None
    options: dict[Name, Value] | None = None
    policy: Policy | None = None


class NewSecret(BaseModel):
    """A new value of a secret. The one before it stays valid, unless `keeps_old` is false."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    value: Value
    keeps_old: bool = True


class AccountView(BaseModel):
    """A channel account. Secrets are never shown, only how many values each has."""

    account_id: str
    provider: str
    channel: str
    address: str
    url: str = Field(description="enter this at the provider")
    options: dict[str, str]
    secrets: dict[str, int] | None = Field(description="null: no key decrypts them")
    policy: Policy
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str | None


class AccountList(BaseModel):
    """Every account, oldest first."""

    items: list[AccountView]


class CallView(BaseModel):
    """A verified call, without its body, and how many events it became."""

    call_id: str
    received_at: datetime
    size: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    parked: int
    waiting: int
    reasons: list[str]


class RefusalView(BaseModel):
    """Why calls were not verified."""

    reason: str
    calls: int
    last_at: datetime


class CallList(BaseModel):
    """The newest calls of an account, newest first, and the counts of those that were not verified."""

    items: list[CallView]
    unverified: list[RefusalView]


def account_view(request: Request, api: AppContext, account: ChannelAccount) -> AccountView:
    """Return an account as the API shows it."""
    base = api.public_url or str(request.base_url)
    try:
        secrets = registry.open_secrets(api.secrets, account)
    except UnreadableSecretError:
        secrets = None
    return AccountView(
        account_id=account.account_id,
        provider=account.provider,
        channel=account.channel,
        address=account.address,
        url=f"{base.rstrip('/')}/channels/{account.account_id}",
        options=dict(account.options),
        secrets=None if secrets is None else {name: len(each) for name, each in secrets.items()},
        policy=Policy(
            **{name: getattr(account.policy, name) for name in AccountPolicy.__struct_fields__}
        ),
        created_at=from_micros(account.created_at),
        disabled_at=None if account.disabled_at is None else from_micros(account.disabled_at),
        disabled_reason=account.disabled_reason,
    )
