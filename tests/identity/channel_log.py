"""A log that provider calls are resolved against and written to, without HTTP."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid5

from msgspec import Struct
from sqlalchemy import Engine, select, text

from ingest.channels.base import Account, Address, Item, MessageItem, Person
from ingest.contract import NAMESPACE
from ingest.events.contact_state import decode_contact
from ingest.events.draft import Draft
from ingest.events.timers import LifecyclePolicy
from ingest.identity.binding import BindingSettings
from ingest.identity.contact_rules import happened_at
from ingest.identity.resolver import Resolution, Resolver
from ingest.log.rebuild import rebuild_projections
from ingest.log.storage.store import Store
from ingest.log.storage.tables import contact_addresses, contacts
from ingest.log.unit_of_work import UnitOfWork
from ingest.settings import Settings
from tests.factories import Clock, Ids, make_submission

WHATSAPP = Account(account_id="wa-1", provider="whatsapp_cloud", channel="whatsapp", address="+49")
MAIL = Account(account_id="mail-1", provider="email", channel="email", address="help@shop.example")

INDEXES = ("contacts", "contact_addresses", "merge_proposals", "channel_threads")


class Delivered(Struct):
    """The result of one item: how it was resolved, and what the log said of each draft."""

    resolution: Resolution
    statuses: list[str]

    @property
    def place(self) -> tuple[str | None, str | None]:
        """The contact and the conversation."""
        return self.resolution.contact_id, self.resolution.conversation_id


class ChannelLog:
    """The log and a resolver on it."""

    def __init__(self, engine: Engine, settings: Settings, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self.store = Store(engine)
        self.resolver = Resolver(engine, clock)
        self._policy = LifecyclePolicy.from_settings(settings)
        self._new_id = Ids("generated")
        self._messages = Ids("wamid")

    def message(self, *addresses: Address, name: str | None = None, **over: Any) -> MessageItem:
        """A new message of a person, now."""
        fields: dict[str, Any] = {
            "provider_id": self._messages(),
            "person": Person(addresses=addresses, name=name),
            "happened_at": self.clock(),
            "text": "hello",
        }
        return MessageItem(**(fields | over))

    def receive(
        self, *items: Item, account: Account = WHATSAPP, settings: BindingSettings | None = None
    ) -> list[Delivered]:
        """Resolve the items of one call and write them, one second after the last one."""
        self.clock.forward(seconds=1)
        found = self.resolver.resolve(account, settings or BindingSettings(), items)
        return [
            self.deliver(item, resolution, account)
            for item, resolution in zip(items, found, strict=True)
        ]

    def deliver(self, item: Item, resolution: Resolution, account: Account = WHATSAPP) -> Delivered:
        """Write the drafts of an item, and the item itself if it is a message."""
        drafts = list(resolution.drafts)
        if isinstance(item, MessageItem) and resolution.conversation_id is not None:
            drafts.append(_message_draft(item, resolution, account))
        return Delivered(resolution, self.write(drafts))

    def write(self, drafts: Sequence[Draft], source: str = "channels") -> list[str]:
        """Commit drafts as facts; return their statuses."""
        position = self.store.begin(self.store.last_position())
        request = make_submission(drafts, source)
        work = UnitOfWork(self.store, [request], self._policy)
        results = work.append(request, self.clock(), [self._new_id() for _ in drafts])
        for place, event in enumerate(work.events, position + 1):
            event.position, event.committed_at = place, self.clock()
        work.save(self.clock())
        self.store.commit()
        return [each.status for each in results]

    def write_contact(self, event_type: str, contact_id: str, **payload: Any) -> None:
        """Commit an event of a contact, as a person or an agent would cause it."""
        draft = Draft(event_type=event_type, contact_id=contact_id, payload=payload or None)
        assert self.write([draft], "desk") == ["accepted"]

    def merge(self, contact_id: str, into: str) -> bool:
        """Merge a contact; return whether the log allows it."""
        draft = Draft(event_type="contact.merged", contact_id=contact_id, payload={"into": into})
        return self.write([draft], "desk") == ["accepted"]

    def rows(self, table: str) -> list[Any]:
        """The rows of a table, sorted."""
        with self.engine.connect() as connection:
            return sorted(map(tuple, connection.execute(text(f"select * from {table}"))))

    def indexes(self) -> dict[str, list[Any]]:
        """Everything that people and conversations are found by."""
        return {table: self.rows(table) for table in INDEXES}

    def rebuild(self) -> None:
        """Delete the states and project the log again."""
        self.store.begin(self.store.last_position())
        rebuild_projections(self.engine, self.store, self._policy)

    def index_of_addresses(self) -> set[tuple[Any, ...]]:
        """The index, as (kind, value, scope, contact, is current)."""
        columns = contact_addresses.c
        query = select(
            columns.kind, columns.value, columns.scope, columns.contact_id, columns.is_current
        )
        with self.engine.connect() as connection:
            return set(map(tuple, connection.execute(query)))

    def addresses_of_states(self) -> set[tuple[Any, ...]]:
        """What the index must be: the addresses of all states of contacts."""
        with self.engine.connect() as connection:
            states = [
                decode_contact(row[0]) for row in connection.execute(select(contacts.c.projection))
            ]
        return {
            (*key, state.contact_id, is_current)
            for state in states
            for key, is_current in state.keys().items()
        }

    def close(self) -> None:
        with suppress(Exception):
            self.store.rollback()
        self.store.close()


def _message_draft(item: MessageItem, resolution: Resolution, account: Account) -> Draft:
    return Draft(
        event_type="message.created",
        event_id=str(uuid5(NAMESPACE, f"event/{account.account_id}/{item.provider_id}")),
        message_id=str(uuid5(NAMESPACE, f"message/{account.account_id}/{item.provider_id}")),
        conversation_id=resolution.conversation_id,
        participant_id=resolution.participant_id,
        participant_role="customer",
        contact_id=resolution.contact_id,
        channel=resolution.channel,
        channel_account=account.account_id,
        happened_at=happened_at(item),
        text=item.text,
        payload=resolution.payload or None,
    )
