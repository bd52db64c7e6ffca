"""The unit of work: everything that one commit reads and writes.

Each event passes the same steps: deduplicate, park or decide (with effects), save. Events are decided
one after the other, against the state that the earlier ones left.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from ingest.errors import EventRejectedError, ForbiddenError
from ingest.events import effects
from ingest.events.conversation_errors import UnknownConversationError, UnknownMessageError
from ingest.events.conversation_state import Conversation
from ingest.events.decide import decide
from ingest.events.draft import Command, Draft, validate_draft
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent, from_draft, merge_payload
from ingest.events.thread_keys import thread_keys
from ingest.events.timers import LifecyclePolicy, conversation_time
from ingest.events.types import rules_of
from ingest.log.acknowledgements import reject
from ingest.log.contact_repository import ContactRepository
from ingest.log.conversation_repository import ConversationRepository
from ingest.log.deduplicator import Deduplicator
from ingest.log.ingest_stats import IngestStats
from ingest.log.message_repository import MessageRepository
from ingest.log.records import MessageKey, ParkedEvent
from ingest.log.review_desk import ReviewDesk
from ingest.log.storage.store import Store
from ingest.log.writer_requests import (
    Acknowledgement,
    Append,
    Execute,
    IncomingEvent,
    RecordPresence,
)

RECHECK_UNREADABLE_AFTER = 3_600 * 1_000_000
"""Interval after which the timers of a conversation that cannot be read are tried again: 1 hour, in microseconds."""


class UnitOfWork:
    """Collects the changes of one commit. The caller assigns positions, calls `save` and commits."""

    def __init__(self, store: Store, requests: Sequence[Append], policy: LifecyclePolicy) -> None:
        """Load everything that the requests may touch."""
        drafts = [
            incoming.draft
            for incoming in chain.from_iterable(request.events for request in requests)
            if incoming.draft is not None
        ]
        self._store = store
        self._policy = policy
        self._deduplicator = Deduplicator(store, drafts)
        self._conversations = ConversationRepository(
            store, (draft.conversation_id for draft in drafts)
        )
        self._messages = MessageRepository(store)
        self._contacts = ContactRepository(store)
        self._threads: dict[str, str] = {}
        self._stats = IngestStats(store)
        self.reviews = ReviewDesk(store, self._conversations, policy.review_lock_expires_after)
        self.events: list[StoredEvent] = []
        self._load_rare(drafts)

    def _load_rare(self, drafts: Collection[Draft]) -> None:
        """Load what most new messages never touch: earlier messages, contacts, conversation keys."""
        rare = [
            draft
            for draft in drafts
            if draft.event_type != "message.created"
            or draft.message_id is not None
            or draft.in_reply_to is not None
        ]
        if rare:
            referring = [draft for draft in rare if rules_of(draft.event_type).refers_to_message]
            self._messages.load(self._message_keys(rare), self._message_keys(referring))
            self._contacts.load(rare)
            self._conversations.load_key_owners(rare)

    def _message_keys(self, drafts: Iterable[Draft]) -> Iterator[MessageKey]:
        """Yield the messages that drafts name, in their conversations and in the successors of those."""
        for draft in drafts:
            for message_id in filter(None, (draft.message_id, draft.in_reply_to)):
                yield draft.conversation_id or "", message_id
                for state in self._conversations.successors(draft.conversation_id):
                    yield state.conversation_id, message_id

    def append(
        self, request: Append, received_at: int, new_ids: Sequence[str]
    ) -> list[Acknowledgement]:
        """Decide each event of a request. `new_ids` are for the events that name no id."""
        self._stats.count_received(request)
        results = [
            self._append_one(incoming, request, received_at, new_id)
            for incoming, new_id in zip(request.events, new_ids, strict=True)
        ]
        self._stats.record(request, results, received_at)
        return results

    def _append_one(
        self, incoming: IncomingEvent, request: Append, received_at: int, new_id: str
    ) -> Acknowledgement:
        draft = incoming.draft
        if draft is None:
            return reject(None, incoming.error)
        event_id = draft.event_id or new_id
        event = from_draft(draft, request.source, received_at, event_id, incoming.fingerprint)
        if incoming.modified is not None:
            event.text = incoming.modified.text
            merge_payload(event, modified_by=incoming.modified.hook_ids)
        if (known := self._deduplicator.find(event)) is not None:
            return known
        try:
            if request.channels:
                self._conversations.check_channel(draft, request.channels)
            return self._park_or_accept(draft, event, incoming.command, request.path)
        except (EventRejectedError, ForbiddenError) as error:
            return reject(draft.event_id, error)

    def _park_or_accept(
        self, draft: Draft, event: StoredEvent, command: Command | None, path: str
    ) -> Acknowledgement:
        rules = rules_of(draft.event_type)
        if rules.refers_to_message:
            self._redirect_to_message(draft, event)
            if self._must_wait(draft, command):
                validate_draft(draft, None)
                return self._deduplicator.park(draft, event, path, self._policy.parked_ttl)
        return self._accept(draft, event, command)

    def _redirect_to_message(self, draft: Draft, event: StoredEvent) -> None:
        """Follow a message that a successor of the draft's conversation received."""
        state = self._conversations.get(draft.conversation_id)
        while state is not None:
            if self._messages.exists((state.conversation_id, draft.message_id)):
                draft.conversation_id = event.conversation_id = state.conversation_id
                return
            state = self._conversations.successor_of(state)

    def _must_wait(self, draft: Draft, command: Command | None) -> bool:
        """Return whether the event waits for its message.

        Raises UnknownMessageError for a command with If-Match: the client read a message of another
        conversation.
        """
        if self._messages.exists((draft.conversation_id or "", draft.message_id)):
            return False
        if self._conversations.get(draft.conversation_id) is None or draft.message_id is None:
            return False  # rejected with its reason
        if command is not None and command.version is not None:
            raise UnknownMessageError("there is no such message in this conversation", "message_id")
        return True

    def _accept(self, draft: Draft, event: StoredEvent, command: Command | None) -> Acknowledgement:
        sent_to = draft.conversation_id or ""
        self._decide(draft, event, command)
        result = self._deduplicator.accept(event)
        if event.event_type == "message.created" and self._deduplicator.has_parked:
            message_id = event.message_id or ""
            keys = {(sent_to, message_id), (event.conversation_id or "", message_id)}
            for parked in self._deduplicator.parked_for(keys):
                self._accept_parked(parked)
        return result

    def _decide(self, draft: Draft, event: StoredEvent, command: Command | None) -> None:
        rules = validate_draft(draft, command)
        is_internal = "internal" in (rules.visibility, draft.visibility)
        event.visibility = "internal" if is_internal else "public"
        if rules.stream == "contact":
            self._contacts.decide(draft, event, command)
            self.events.append(event)
            return
        if rules.stream == "review":
            self.reviews.decide(draft, event)
            self.events.append(event)
            return
        if rules.stream == "audit":
            self.events.append(event)
            return
        state = self._find_conversation(draft, event, command)
        if rules.about == "conversation":
            self._conversations.check_key(draft, state)
        if event.event_type == "message.created":
            self._messages.assign_id(event, self._deduplicator.message_keys)
        elif rules.refers_to_message:
            self._messages.check_change(event, command)
            if self._messages.is_internal(event):
                event.visibility = "internal"
        contact_id = None if state is None else state.contact_id
        replied_to = None if event.in_reply_to is None else self._messages.replied_to(event)
        events, changed = decide(draft, event, state, self._policy, command, replied_to)
        self.events += events
        if changed.contact_id != contact_id:
            self._conversations.change_contact(changed)
        self._conversations.change(changed, event if state is None else None)
        if event.event_type == "conversation.updated":
            self._conversations.change_key(changed)
        self._messages.apply(event)
        if keys := thread_keys(event):
            self._threads |= dict.fromkeys(keys, changed.conversation_id)

    def _find_conversation(
        self, draft: Draft, event: StoredEvent, command: Command | None
    ) -> Conversation | None:
        """Return the conversation that receives the event, with its due timers run."""
        if draft.conversation_id is None:
            raise EventRejectedError("conversation_id is missing", "$.conversation_id")
        state = self._conversations.get(draft.conversation_id)
        if state is None:
            if draft.event_type == "conversation.created":
                return None
            raise UnknownConversationError("create the conversation first", "$.conversation_id")
        if state.next_timer_at is not None and state.next_timer_at <= event.happened_at:
            self._run_timers(state, event.happened_at, event.received_at)
        follows = command is None or command.follows_successor
        if state.state == "closed" and draft.event_type == "message.created" and follows:
            events, state = self._conversations.open_successor(event, state)
            self.events += events
        return state

    def _accept_parked(self, parked: ParkedEvent) -> None:
        """Accept an event whose message arrived."""
        draft = msgspec.json.decode(parked.raw, type=Draft)
        event = from_draft(
            draft, parked.source, parked.received_at, parked.event_id, parked.fingerprint
        )
        self._redirect_to_message(draft, event)
        try:
            result = self._accept(draft, event, None)
        except EventRejectedError as error:
            result = reject(event.event_id, error)
        self._release(parked, result)

    def _release(self, parked: ParkedEvent, result: Acknowledgement) -> None:
        self._stats.record_unparked(parked.source)
        request = Append(parked.source, parked.path, 0, [IncomingEvent(parked.raw)])
        self._stats.record(request, [result], parked.received_at)
        self._deduplicator.release(parked)

    def run_timers(self, now: int, limit: int) -> None:
        """Run due timers, and reject expired parked events, in at most `limit` conversations."""
        for state in self._conversations.load(self._store.find_due_conversations(now, limit)):
            self._run_timers(state, conversation_time(state, now), now)
        self._conversations.postpone_unreadable(now + RECHECK_UNREADABLE_AFTER)
        for parked in self._deduplicator.expired(now, limit):
            error = UnknownMessageError("its message did not arrive in time", "$.message_id")
            self._release(parked, reject(parked.event_id, error))

    def _run_timers(self, state: Conversation, until: int, received_at: int) -> None:
        self.events += effects.run_timers(state, self._policy, until, received_at)
        self._conversations.change(state)

    def record_presence(self, request: RecordPresence, now: int) -> None:
        """Record that agents in control are connected or not, where that is new."""
        controlled = self._store.find_controlled(request.participant_id)
        if request.conversation_id is not None:
            controlled = [each for each in controlled if each == request.conversation_id]
        for state in self._conversations.load(controlled):
            if request.participant_id in (None, state.controlling_agent):
                is_connected = request.is_connected
                self.events += effects.record_presence(
                    state, self._policy, is_connected=is_connected, at=now
                )
                self._conversations.change(state)

    def execute(self, request: Execute) -> None:
        """Run a request's statements and append its events, except those stored already.

        A commit whose outcome is unknown may have stored them.
        """
        for statement in request.statements:
            self._store.execute(statement)
        known = self._store.find_events([event.event_id for event in request.events])
        self.events += [
            event for event in request.events if (event.source, event.event_id) not in known
        ]

    def save(self, now: int) -> None:
        """Write everything to the store, without committing. The events have positions."""
        self._store.add_events(self.events)
        self._conversations.save(now)
        self._messages.save()
        self._contacts.save()
        self._store.save_threads(self._threads)
        self.reviews.save()
        self._deduplicator.save()
        generated = sum(event.source == SYSTEM_SOURCE for event in self.events)
        self._stats.count_generated(SYSTEM_SOURCE, generated)
        self._stats.save(now)
