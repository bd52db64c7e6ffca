"""Channel accounts in the store: read by queries, changed by statements that the writer runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ClauseElement, Engine, RowMapping, delete, insert, select, update

from ingest.accounts.secret_box import SecretBox
from ingest.channels.base import Account
from ingest.contract import Cursor
from ingest.log.cursor import START, decode_cursor, encode_cursor
from ingest.log.storage.tables import (
    channel_accounts,
    channel_refusals,
    channel_sends,
    provider_messages,
    waiting_items,
    webhook_queue,
)

Binding = Literal["address", "address_and_channel", "contact"]
SendPolicy = Literal["at_most_once", "at_least_once"]


DESTINATION_PREFIX = "channel:"
"""What the id of an account as a destination begins with: no webhook has such an id."""


class AccountPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an account sends, and which conversation a message belongs to.

    `send`: what happens to a send of unknown result: a person decides, or it is sent again.
    `binding`: the conversation of an address, of an address on one channel, or of the contact.
    `new_conversation_after`: seconds without a message after which a new conversation begins; None: never.
    `automatic_replies_per_hour`: maximum mails of bots and the system to one contact.
    """

    send: SendPolicy = "at_most_once"
    requests_per_second: float | None = None
    binding: Binding = "address"
    new_conversation_after: int | None = None
    automatic_replies_per_hour: int = 3


class ChannelAccount(Struct, frozen=True, kw_only=True):
    """A channel account as the store keeps it. `secrets` is encrypted; `open_account` decrypts it."""

    account_id: str
    provider: str
    channel: str
    address: str
    options: Mapping[str, str]
    secrets: str
    policy: AccountPolicy
    created_at: int
    disabled_at: int | None = None
    disabled_reason: str | None = None
    cursor: Cursor = START

    @property
    def destination_id(self) -> str:
        """Its id as a destination of the dispatcher."""
        return DESTINATION_PREFIX + self.account_id


def list_accounts(engine: Engine) -> list[ChannelAccount]:
    """Return every account, oldest first."""
    order = channel_accounts.c.created_at, channel_accounts.c.account_id
    with engine.connect() as connection:
        rows = connection.execute(select(channel_accounts).order_by(*order)).mappings()
        return [_account(row) for row in rows]


def get_account(engine: Engine, account_id: str) -> ChannelAccount | None:
    """Return an account, or None."""
    query = select(channel_accounts).where(channel_accounts.c.account_id == account_id)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _account(row)


def _account(row: RowMapping) -> ChannelAccount:
    values = dict(row)
    values["options"] = msgspec.json.decode(values["options"])
    values["policy"] = msgspec.json.decode(values["policy"], type=AccountPolicy)
    values["cursor"] = decode_cursor(values["cursor"]) if values["cursor"] else START
    return ChannelAccount(**values)


def seal_secrets(box: SecretBox, secrets: Mapping[str, Sequence[str]]) -> str:
    """Return the secrets of an account as the store keeps them; of each the newest value first."""
    return box.seal(msgspec.json.encode(secrets).decode())


def open_secrets(box: SecretBox, account: ChannelAccount) -> dict[str, list[str]]:
    """Return the secrets of an account. Raises UnreadableSecretError."""
    return msgspec.json.decode(box.open(account.secrets), type=dict[str, list[str]])


def open_account(box: SecretBox, account: ChannelAccount) -> Account:
    """Return what the adapter may know of an account. Raises UnreadableSecretError."""
    return Account(
        account_id=account.account_id,
        provider=account.provider,
        channel=account.channel,
        address=account.address,
        options=account.options,
        secrets=open_secrets(box, account),
    )


# --- changing, by the writer


def insert_account(account: ChannelAccount) -> ClauseElement:
    """Return the statement that adds an account."""
    values = {name: getattr(account, name) for name in ChannelAccount.__struct_fields__}
    return insert(channel_accounts).values(_columns(values))


def update_account(account_id: str, **values: Any) -> ClauseElement:
    """Return the statement that changes fields of an account."""
    return (
        update(channel_accounts)
        .where(channel_accounts.c.account_id == account_id)
        .values(_columns(values))
    )


def delete_account(account_id: str) -> list[ClauseElement]:
    """Return the statements that delete an account. Its events and its raw calls stay."""
    tables = waiting_items, channel_sends, provider_messages, channel_refusals, channel_accounts
    queued = webhook_queue.c.webhook_id == DESTINATION_PREFIX + account_id
    return [
        delete(webhook_queue).where(queued),
        *(delete(table).where(table.c.account_id == account_id) for table in tables),
    ]


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Encode options and policy as JSON, and the cursor as a string."""
    columns = dict(values)
    for name in ("options", "policy"):
        if name in columns:
            columns[name] = msgspec.json.encode(columns[name]).decode()
    if "cursor" in columns:
        columns["cursor"] = encode_cursor(columns["cursor"]) if columns["cursor"] else ""
    return columns
