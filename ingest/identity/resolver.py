"""Which contact and which conversation an item belongs to: by the first address alone."""

from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import uuid5

import msgspec
from msgspec import Struct
from sqlalchemy import Engine

from ingest.channels.base import Account, Item
from ingest.contract import NAMESPACE
from ingest.events.draft import Draft
from ingest.log import queries


class BindingSettings(Struct, frozen=True):
    """Which conversation a message belongs to."""

    by: Literal["address", "address_and_channel", "contact"] = "address"
    window_seconds: int | None = None
    has_threads: bool = False


class Resolution(Struct, frozen=True):
    """Where an item belongs, and the events that have to come before its own."""

    contact_id: str | None
    participant_id: str | None
    conversation_id: str | None
    channel: str
    drafts: tuple[Draft, ...] = ()
    payload: dict[str, Any] = {}


class Resolver:
    """Resolves items."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        """`engine` only reads."""
        self._engine = engine

    def resolve(
        self, account: Account, settings: BindingSettings, items: Sequence[Item]
    ) -> list[Resolution]:
        """Return the resolution of each item of a call."""
        seen: set[str] = set()
        return [self._one(account, item, seen) for item in items]

    def _one(self, account: Account, item: Item, seen: set[str]) -> Resolution:
        channel = item.channel or account.channel
        if item.person is None or not item.person.addresses:
            return Resolution(None, None, None, channel)
        first = item.person.addresses[0]
        contact = str(uuid5(NAMESPACE, f"contact/{first.kind}/{first.scope}/{first.value}"))
        conversation = str(uuid5(NAMESPACE, f"conversation/{account.account_id}/{contact}/1"))
        drafts: list[Draft] = []
        if contact not in seen and queries.get_contact(self._engine, contact) is None:
            drafts.append(_derived("contact.created", contact, contact_id=contact))
        if (
            conversation not in seen
            and queries.get_conversation(self._engine, conversation) is None
        ):
            participant = {
                "participant_id": contact,
                "participant_role": "customer",
                "contact_id": contact,
            }
            drafts.append(
                _derived(
                    "conversation.created",
                    conversation,
                    conversation_id=conversation,
                    channel=channel,
                    channel_account=account.account_id,
                    payload={"participants": [participant]},
                )
            )
        seen |= {contact, conversation}
        return Resolution(contact, contact, conversation, channel, tuple(drafts))


def _derived(event_type: str, key: str, **columns: Any) -> Draft:
    event_id = str(uuid5(NAMESPACE, f"{event_type}/{key}"))
    return msgspec.structs.replace(Draft(event_type=event_type, event_id=event_id), **columns)
