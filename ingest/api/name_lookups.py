"""Names of people whose provider sends an id alone: asked for after the call is answered.

Best effort: what is pending is lost with the process, and the person's next message asks again. A name is
recorded by the same rules as one in a call: it replaces none that the contact has.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from cachetools import TLRUCache
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from ingest.accounts.account_cache import Opened
from ingest.api.channel_translation import binding_settings
from ingest.channels.base import (
    Address,
    Answer,
    ChannelAdapter,
    Inbound,
    Item,
    MessageItem,
    Person,
    Retry,
)
from ingest.channels.name_lookup import NameLookup
from ingest.channels.registry import name_lookup
from ingest.clock import Clock
from ingest.contract import derived_id
from ingest.delivery.destinations.receipts import SOURCE
from ingest.egress.client import EgressClient
from ingest.errors import LogUnavailableError
from ingest.events.draft import Draft
from ingest.identity.resolver import Resolution, Resolver
from ingest.log import queries
from ingest.log.writer import Writer
from ingest.log.writer_requests import Append, IncomingEvent

logger = logging.getLogger(__name__)

SECOND = 1_000_000
POLL_SECONDS = 1.0
"""Interval at which look-ups that wait for a pause are tried again."""

REQUEST_SECONDS = 5.0
MAX_PENDING = 1_000
"""Maximum people whose names are pending; the next message of a further person asks again."""

MAX_CONVERSATIONS = 10
"""Maximum conversations in which a person gets the name at once."""

REMEMBERED = 10_000
FOUND_SECONDS = 86_400
FAILURE_SECONDS = 600
"""Times in which a person is not asked about again: 1 day after a name, 10 minutes without one."""

PENDING_SECONDS = 3_600
DEFAULT_PAUSE_SECONDS = 60
MAX_PAUSE_SECONDS = 3_600


class _Wanted(Struct):
    """A person without a name, and the messages that show where. `until`: when it is no longer tried."""

    opened: Opened
    lookup: NameLookup
    person: Person
    items: list[Item]
    until: int

    @property
    def account_id(self) -> str:
        return self.opened[1].account_id


_Key = tuple[str, Address]


class NameLookups:
    """Asks providers for names, one at a time. Not thread-safe: it belongs to the event loop."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        egress: EgressClient,
        resolver: Resolver,
        clock: Clock,
    ) -> None:
        """`engine` only reads; `clock` gives microseconds."""
        self._engine = engine
        self._writer = writer
        self._egress = egress
        self._resolver = resolver
        self._clock = clock
        self._pending: dict[_Key, _Wanted] = {}
        self._asked: TLRUCache[_Key, int] = TLRUCache(
            REMEMBERED, ttu=lambda _key, until, _now: until, timer=clock
        )
        self._paused: dict[str, int] = {}
        self._wake = asyncio.Event()

    def notice(self, opened: Opened, adapter: ChannelAdapter, items: Sequence[Inbound]) -> None:
        """Note the people of a stored call that have no name. Does no I/O, and never raises."""
        lookup = name_lookup(adapter)
        if lookup is None:
            return
        for item in items:
            if isinstance(item, MessageItem) and item.author == "customer":
                self._notice(opened, lookup, item)

    def _notice(self, opened: Opened, lookup: NameLookup, item: MessageItem) -> None:
        person = item.person
        if person is None or person.name or not person.addresses:
            return
        key = opened[1].account_id, person.addresses[0]
        without_text = replace(item, text=None, attachments=(), payload={})
        pending = self._pending.get(key)
        if pending is not None:
            pending.items = [*pending.items, without_text][-MAX_CONVERSATIONS:]
        elif key not in self._asked and len(self._pending) < MAX_PENDING:
            until = self._clock() + PENDING_SECONDS * SECOND
            self._pending[key] = _Wanted(opened, lookup, person, [without_text], until)
            self._wake.set()

    async def run(self) -> None:
        """Look up names, without end."""
        while True:
            self._wake.clear()
            await self.look_up_due()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS if self._pending else None)

    async def look_up_due(self) -> None:
        """Look up every pending name whose account is not in a pause."""
        for key, wanted in list(self._pending.items()):
            now = self._clock()
            if wanted.until <= now:
                del self._pending[key]
            elif self._paused.get(wanted.account_id, 0) <= now:
                await self._look_up(key, wanted)

    async def _look_up(self, key: _Key, wanted: _Wanted) -> None:
        try:
            found = await self._find(wanted)
            if isinstance(found, Retry):
                self._pause(wanted.account_id, found)
                return
            self._finish(key, FOUND_SECONDS if found else FAILURE_SECONDS)
            if found:
                await self._record(wanted, found)
        except LogUnavailableError:
            self._asked.pop(key, None)  # the person's next message asks again
        except Exception:
            logger.exception("the name of a person could not be looked up")
            self._finish(key, FAILURE_SECONDS)

    def _finish(self, key: _Key, seconds: int) -> None:
        self._asked[key] = self._clock() + seconds * SECOND
        self._pending.pop(key, None)

    def _pause(self, account_id: str, retry: Retry) -> None:
        seconds = min(retry.after or DEFAULT_PAUSE_SECONDS, MAX_PAUSE_SECONDS)
        self._paused[account_id] = self._clock() + seconds * SECOND
        logger.warning(
            "names of account %s are looked up again in %s s: %s",
            account_id,
            seconds,
            retry.reason,
        )

    async def _find(self, wanted: _Wanted) -> str | Retry | None:
        """Return the name: the contact's, else the provider's."""
        known = await run_in_threadpool(self._known_name, wanted)
        return known or await self._ask(wanted)

    def _known_name(self, wanted: _Wanted) -> str | None:
        (resolved,) = self._resolve(wanted, wanted.items[:1])
        contact = queries.get_contact(self._engine, resolved.contact_id or "")
        name = None if contact is None else contact.attributes.get("name")
        return name if isinstance(name, str) else None

    async def _ask(self, wanted: _Wanted) -> str | Retry | None:
        request = wanted.lookup.name_request(wanted.person, wanted.opened[1])
        if request is None:
            return None
        headers = [(name.encode(), value.encode()) for name, value in request.headers]
        result = await self._egress.request(
            request.url, headers, request.body, REQUEST_SECONDS, request.method
        )
        if result.status is None:
            return None
        return wanted.lookup.read_name(
            Answer(status=result.status, headers=result.headers, body=result.body)
        )

    async def _record(self, wanted: _Wanted, name: str) -> None:
        drafts = await run_in_threadpool(self._drafts, wanted, name)
        events = [IncomingEvent(msgspec.json.encode(each), each) for each in drafts]
        if events:
            await self._writer.submit(Append(SOURCE, "/v1/channels", len(events), events))

    def _drafts(self, wanted: _Wanted, name: str) -> list[Draft]:
        """Return the drafts that give the name to the contact, and to the participant of each conversation."""
        named = replace(wanted.person, name=name)
        items = [replace(each, person=named) for each in wanted.items]
        drafts: dict[str | None, Draft] = {}
        for found in self._resolve(wanted, items):
            of_contact = [each for each in found.drafts if each.event_type == "contact.updated"]
            for draft in (*of_contact, *self._participant(wanted, found, name)):
                drafts.setdefault(draft.event_id, draft)
        return list(drafts.values())

    def _resolve(self, wanted: _Wanted, items: Sequence[Item]) -> list[Resolution]:
        stored, account = wanted.opened
        return self._resolver.resolve(account, binding_settings(account, stored.policy), items)

    def _participant(self, wanted: _Wanted, found: Resolution, name: str) -> list[Draft]:
        """Return the draft that names a participant; none if it has a name, or the conversation is over."""
        if found.conversation_id is None or found.participant_id is None:
            return []
        state = queries.get_conversation(self._engine, found.conversation_id)
        member = None if state is None else state.participants.get(found.participant_id)
        if (
            state is None
            or member is None
            or state.state == "closed"
            or "name" in member.attributes
        ):
            return []
        place = f"{found.conversation_id}/{found.participant_id}"
        return [
            Draft(
                event_type="participant.updated",
                event_id=derived_id(f"participant.updated/{place}/name/{name}"),
                conversation_id=found.conversation_id,
                participant_id=found.participant_id,
                participant_role="customer",
                contact_id=found.contact_id,
                channel=found.channel,
                channel_account=wanted.account_id,
                payload={"attributes": {"name": name}},
            )
        ]
