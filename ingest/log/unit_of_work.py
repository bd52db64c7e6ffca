"""The events of one commit, decided one after the other against state and against each other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import uuid5

import msgspec

from ingest.contract import NAMESPACE
from ingest.errors import (
    ConversationExistsError,
    EventRejectedError,
    ForbiddenError,
    HookFailedError,
    MessageExistsError,
    UnknownConversationError,
    UnknownMessageError,
    VersionMismatchError,
)
from ingest.events import contact_state, decide, effects, message_state
from ingest.events.contact_state import Contact
from ingest.events.conversation_state import Conversation
from ingest.events.draft import Command, Draft, validate_draft
from ingest.events.message_state import Message
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent, from_draft, merge_payload
from ingest.events.successors import create_successor
from ingest.events.timers import LifecyclePolicy, conversation_time
from ingest.log.acknowledgements import (
    acknowledge,
    acknowledge_parked,
    duplicate_or_conflict,
    duplicate_or_conflict_of_parked,
    rejected_event,
)
from ingest.log.records import IngestCounters, KnownEvent, MessageKey, ParkedEvent, RejectedEvent
from ingest.log.storage.store import Store
from ingest.log.writer_requests import Acknowledgement, Append, IncomingEvent

CHANGED_SINCE = "it was changed since; read it again, then send your change"


class UnitOfWork:
    """Takes submissions, then saves what they came to; the caller commits."""

    def __init__(self, store: Store, submissions: Sequence[Append], rules: LifecyclePolicy) -> None:
        """Look up all that the submissions may touch."""
        drafts = [
            arrival.draft
            for submission in submissions
            for arrival in submission.events
            if arrival.draft is not None
        ]
        self._store = store
        self._rules = rules
        self._known = store.find_events(_unique(each.event_id for each in drafts))
        self._named_before = {
            (each.conversation_id, each.message_id) for each in self._known.values()
        }
        self._states = store.find_conversations(_unique(each.conversation_id for each in drafts))
        self._new: set[str] = set()
        self._keyed: set[str] = set()
        self._touched: dict[str, Conversation] = {}
        self._created: list[tuple[Conversation, StoredEvent]] = []
        self._messages_there: dict[MessageKey, str] = {}
        self._messages: dict[MessageKey, Message] = {}
        self._contacts: dict[str, Contact] = {}
        self._keys: dict[str, str] = {}
        self._parked: dict[tuple[str, str], ParkedEvent] = {}
        self._new_parked: dict[tuple[str, str], ParkedEvent] = {}
        self._saved_messages: dict[MessageKey, Message] = {}
        self._saved_contacts: list[tuple[Contact, StoredEvent]] = []
        self._tallies: defaultdict[str, IngestCounters] = defaultdict(IngestCounters)
        self._refusals: list[RejectedEvent] = []
        self._replayed: list[tuple[int, str]] = []
        self._done: list[ParkedEvent] = []
        self.rows: list[StoredEvent] = []
        self._look_up_others(
            [
                each
                for each in drafts
                if each.event_type != "message.created" or each.message_id is not None
            ]
        )
        self._look_up_parked(drafts)

    def _look_up_others(self, drafts: list[Draft]) -> None:
        """What most new messages never touch: earlier messages, contacts, keys."""
        if not drafts:
            return
        keys = _message_keys(each for each in drafts if each.message_id is not None)
        self._messages_there = self._store.find_created_messages(keys)
        refer = [each for each in drafts if each.event_type in message_state.REFERRING_TYPES]
        self._messages = self._store.find_messages(_message_keys(refer))
        people = [each for each in drafts if each.event_type.startswith("contact.")]
        self._contacts = self._store.find_contacts(_unique(each.contact_id for each in people))
        self._keys = self._store.find_keys(_unique(_key(each) for each in drafts))

    def _look_up_parked(self, drafts: list[Draft]) -> None:
        """What waits for messages that come now, and what comes again while it waits."""
        if not self._store.has_parked:
            return
        parked = [
            *self._store.find_parked(_message_keys(drafts)),
            *self._store.find_parked_events(_unique(each.event_id for each in drafts)),
        ]
        self._parked = {(each.source, each.event_id): each for each in parked}

    # --- one submission

    def take(
        self, submission: Append, received_at: int, ids: Sequence[str]
    ) -> list[Acknowledgement]:
        """Decide each arrival; `ids` serve those that name none."""
        if not submission.received:
            return []
        tally = self._tallies[submission.source]
        tally.received += submission.received
        answers: list[Acknowledgement] = []
        for arrival, new_id in zip(submission.events, ids, strict=True):
            answer = self._take(arrival, submission, received_at, new_id)
            setattr(tally, answer.status, getattr(tally, answer.status) + 1)
            if answer.error is not None:
                self._refusals.append(
                    rejected_event(arrival, answer.error, submission, received_at)
                )
            elif submission.replay_of is not None:
                self._replayed.append((submission.replay_of, answer.event_id or ""))
            answers.append(answer)
        return answers

    def _take(
        self, arrival: IncomingEvent, submission: Append, received_at: int, new_id: str
    ) -> Acknowledgement:
        draft = arrival.draft
        if draft is None:
            return Acknowledgement(status="rejected", event_id=None, error=arrival.error)
        row = from_draft(draft, submission.source, received_at, draft.event_id or new_id)
        if arrival.modified is not None:
            row.text = arrival.modified.text
            merge_payload(row, modified_by=arrival.modified.hook_ids)
        known = self._known.get((row.source, row.event_id))
        if known is not None:
            return duplicate_or_conflict(row, known)
        if (row.source, row.event_id) in self._parked:
            return duplicate_or_conflict_of_parked(row, self._parked[row.source, row.event_id])
        try:
            if submission.channels:
                self._refuse_channel(draft, submission.channels)
            if arrival.is_unasked:
                self._refuse_unasked(draft)
            self._follow_message(draft, row)
            if self._must_wait(draft, arrival.command):
                return self._park(draft, row, submission.path)
            return self._accept(draft, row, arrival.command)
        except (EventRejectedError, ForbiddenError) as error:
            return Acknowledgement(status="rejected", event_id=draft.event_id, error=error)

    def _accept(self, draft: Draft, row: StoredEvent, command: Command | None) -> Acknowledgement:
        said_in = draft.conversation_id
        self._admit(draft, row, command)
        known = KnownEvent(
            row.conversation_id,
            row.sequence,
            row.session_id,
            row.message_id,
            row.received_at,
            row.fingerprint,
        )
        self._known[row.source, row.event_id] = known
        answer = acknowledge("accepted", row.event_id, known)
        if row.event_type == "message.created" and self._parked:
            self._let_in({(said_in, row.message_id), (row.conversation_id, row.message_id)})
        return answer

    def _admit(self, draft: Draft, row: StoredEvent, command: Command | None) -> None:
        kind = validate_draft(draft, command)
        is_internal = "internal" in (kind.visibility, draft.visibility)
        row.visibility = "internal" if is_internal else "public"
        if kind.stream == "contact":
            self._admit_contact(draft, row, command)
            return
        before = self._state_for(draft, row, command)
        self._refuse_key(draft, before)
        if row.event_type == "message.created":
            self._name_message(row)
        elif row.event_type in message_state.REFERRING_TYPES:
            self._refuse_message_edit(row, command)
            if (
                self._messages_there.get((row.conversation_id or "", row.message_id or ""))
                == "internal"
            ):
                row.visibility = "internal"
        rows, state = decide.decide(draft, row, before, self._rules, command)
        self.rows += rows
        self._note(state, row if before is None else None)
        if row.event_type == "conversation.updated":
            self._keyed.add(state.conversation_id)
        self._fold_message(row)

    def _admit_contact(self, draft: Draft, row: StoredEvent, command: Command | None) -> None:
        is_edit = command is not None and command.version is not None
        if is_edit and any(row.contact_id == each.contact_id for each, _ in self._saved_contacts):
            # The version that it will have is not known before the commit.
            raise VersionMismatchError(CHANGED_SINCE)
        contact = contact_state.decide_contact(
            draft, row, self._contacts.get(row.contact_id or ""), command
        )
        self._contacts[contact.contact_id] = contact
        self._saved_contacts.append((contact, row))
        self.rows.append(row)

    def _name_message(self, row: StoredEvent) -> None:
        """One message, one id: its own, or its event's, unless another source has that one."""
        conversation_id = row.conversation_id or ""
        if row.message_id is not None:
            if (conversation_id, row.message_id) in self._messages_there:
                raise MessageExistsError(
                    "another message of this conversation has this message_id", "$.message_id"
                )
            return
        of = (conversation_id, row.event_id)
        taken = of in self._messages_there or of in self._named_before
        row.message_id = (
            str(uuid5(NAMESPACE, f"message/{row.source}/{row.event_id}")) if taken else row.event_id
        )

    def _note(self, state: Conversation, created_by: StoredEvent | None) -> None:
        self._touched[state.conversation_id] = state
        if state.conversation_key is not None:
            self._keys[state.conversation_key] = state.conversation_id
        if created_by is not None:
            self._states[state.conversation_id] = state
            self._new.add(state.conversation_id)
            self._created.append((state, created_by))

    def _state_for(
        self, draft: Draft, row: StoredEvent, command: Command | None
    ) -> Conversation | None:
        """The conversation that the event goes to, with all that was due in it done."""
        if draft.conversation_id is None:
            raise EventRejectedError("conversation_id is missing", "$.conversation_id")
        state = self._states.get(draft.conversation_id)
        if state is None:
            if draft.event_type == "conversation.created":
                return None
            raise UnknownConversationError("create the conversation first", "$.conversation_id")
        if state.next_timer_at is not None and state.next_timer_at <= row.happened_at:
            self._run_timers(state, row.happened_at, row.received_at)
        stays = command is not None and command.stays
        if state.state == "closed" and draft.event_type == "message.created" and not stays:
            return self._successor(state, row)
        return state

    def _refuse_unasked(self, draft: Draft) -> None:
        """Who was not known when the hooks were to be asked may be known by now."""
        state = self._states.get(draft.conversation_id or "")
        if state is not None and draft.participant_id in state.participants:
            raise HookFailedError(
                "it came together with what it needs, before hooks could be asked; send it again"
            )

    def _refuse_channel(self, draft: Draft, channels: frozenset[str]) -> None:
        """A key of some channels gets the answer that it would get if there were no others."""
        state = self._states.get(draft.conversation_id or "")
        while state is not None:
            if state.channel not in channels:
                raise UnknownConversationError("create the conversation first", "$.conversation_id")
            # What is said to a closed one may go on in those that continue it.
            state = None if state.successor_id is None else self._load(state.successor_id)
        if draft.channel is not None and draft.channel not in channels:
            raise ForbiddenError("this key is not for this channel", "$.channel")

    def _refuse_key(self, draft: Draft, state: Conversation | None) -> None:
        key = _key(draft)
        owner = None if key is None else self._keys.get(key)
        if owner is not None and (state is None or owner != state.conversation_id):
            raise ConversationExistsError(
                "another conversation has this key", "$.payload.conversation_key"
            )

    def _refuse_message_edit(self, row: StoredEvent, command: Command | None) -> None:
        if command is None or command.version is None:
            return
        known = self._messages.get((row.conversation_id or "", row.message_id or ""))
        if command.version != (0 if known is None else known.version):
            raise VersionMismatchError(CHANGED_SINCE)

    def _fold_message(self, row: StoredEvent) -> None:
        of = (row.conversation_id or "", row.message_id or "")
        if row.event_type == "message.created":
            self._messages_there[of] = row.visibility
        elif row.event_type in message_state.REFERRING_TYPES:
            known = self._messages.get(of) or Message(*of)
            message_state.apply(known, row)
            self._messages[of] = self._saved_messages[of] = known

    # --- a closed conversation goes on in its successor

    def _successor(self, state: Conversation, row: StoredEvent) -> Conversation:
        member = state.participants.get(row.participant_id or "")
        role = row.participant_role or (None if member is None else member.participant_role)
        if role != "customer":
            return state
        while state.state == "closed":
            state = self._next_of(state, row)
        row.conversation_id = state.conversation_id
        return state

    def _next_of(self, state: Conversation, row: StoredEvent) -> Conversation:
        if state.successor_id is not None:
            return self._load(state.successor_id)
        rows, successor = create_successor(
            state, row, self._free_successor_id(state.conversation_id)
        )
        self.rows += rows
        self._note(state, None)
        self._note(successor, rows[0])
        return successor

    def _free_successor_id(self, conversation_id: str) -> str:
        """Always the same, unless a client took it."""
        number = 1
        while True:
            name = f"successor/{conversation_id}" + (f"/{number}" if number > 1 else "")
            successor_id = str(uuid5(NAMESPACE, name))
            self._states |= self._store.find_conversations([successor_id])
            if successor_id not in self._states:
                return successor_id
            number += 1

    def _follow_message(self, draft: Draft, row: StoredEvent) -> None:
        """What speaks of a message goes where the message went: into a successor, if there."""
        if draft.event_type not in message_state.REFERRING_TYPES:
            return
        state = self._states.get(draft.conversation_id or "")
        while state is not None and state.successor_id is not None:
            if (state.conversation_id, draft.message_id) in self._messages_there:
                break
            state = self._load(state.successor_id)
        if state is not None and (state.conversation_id, draft.message_id) in self._messages_there:
            draft.conversation_id = row.conversation_id = state.conversation_id

    def _load(self, conversation_id: str) -> Conversation:
        if conversation_id not in self._states:
            self._states |= self._store.find_conversations([conversation_id])
        return self._states[conversation_id]

    # --- what comes before its message waits for it

    def _must_wait(self, draft: Draft, command: Command | None) -> bool:
        of = (draft.conversation_id or "", draft.message_id or "")
        if draft.event_type not in message_state.REFERRING_TYPES or of in self._messages_there:
            return False
        if draft.conversation_id not in self._states or draft.message_id is None:
            return False  # refused with its reason
        if command is not None and draft.event_type not in message_state.RECEIPT_STATUSES:
            raise UnknownMessageError("there is no such message in this conversation", "message_id")
        return True

    def _park(self, draft: Draft, row: StoredEvent, path: str) -> Acknowledgement:
        validate_draft(draft, None)
        parked = ParkedEvent(
            row.source,
            row.event_id,
            row.fingerprint,
            draft.conversation_id or "",
            draft.message_id or "",
            path,
            row.received_at,
            row.received_at + self._rules.parked_ttl,
            msgspec.json.encode(draft),
        )
        self._parked[row.source, row.event_id] = parked
        self._new_parked[row.source, row.event_id] = parked
        return acknowledge_parked(parked)

    def _let_in(self, said: set[tuple[str | None, str | None]]) -> None:
        """Admit what waited for this message, in the order in which it came."""
        for each in [each for each in self._parked.values() if each.message_key in said]:
            draft = msgspec.json.decode(each.raw, type=Draft)
            row = from_draft(draft, each.source, each.received_at, each.event_id)
            self._follow_message(draft, row)
            answer = self._accept_parked(draft, row)
            self._settle(each, answer)

    def _accept_parked(self, draft: Draft, row: StoredEvent) -> Acknowledgement:
        try:
            return self._accept(draft, row, None)
        except EventRejectedError as error:
            return Acknowledgement(status="rejected", event_id=row.event_id, error=error)

    def _settle(self, parked: ParkedEvent, answer: Acknowledgement) -> None:
        key = (parked.source, parked.event_id)
        tally = self._tallies[parked.source]
        tally.parked -= 1
        setattr(tally, answer.status, getattr(tally, answer.status) + 1)
        if answer.error is not None:
            submission = Append(parked.source, parked.path, 0, [])
            arrival = IncomingEvent(parked.raw)
            self._refusals.append(
                rejected_event(arrival, answer.error, submission, parked.received_at)
            )
        del self._parked[key]
        if self._new_parked.pop(key, None) is None:
            self._done.append(parked)

    # --- what happens by itself

    def run_due(self, now: int, most: int) -> int:
        """Do what is due by `now` of our clock in at most `most` conversations; how many had any."""
        due = self._store.find_due_conversations(now, most)
        self._states |= self._store.find_conversations(
            [each for each in due if each not in self._states]
        )
        for conversation_id in due:
            state = self._states[conversation_id]
            self._run_timers(state, conversation_time(state, now), now)
        come = {(each.source, each.event_id) for each in self._done}
        expired = [
            each
            for each in self._store.find_expired(now, most)
            if (each.source, each.event_id) not in come
        ]
        for each in expired:
            error = UnknownMessageError("its message never came", "$.message_id")
            self._parked[each.source, each.event_id] = each
            self._settle(
                each, Acknowledgement(status="rejected", event_id=each.event_id, error=error)
            )
        return len(due) + len(expired)

    def _run_timers(self, state: Conversation, until: int, received_at: int) -> None:
        self.rows += effects.run_timers(state, self._rules, until, received_at)
        self._touched[state.conversation_id] = state

    def save(self, received_at: int) -> None:
        """Hand everything to the store, without committing."""
        for state, row in self._created:
            state.created_position = row.position
        for contact, row in self._saved_contacts:
            contact_state.apply(contact, row)
        store = self._store
        store.add_events(self.rows)
        store.save_conversations(list(self._touched.values()), self._new, self._keyed, received_at)
        store.save_messages(list(self._saved_messages.values()))
        store.save_contacts(
            list({each.contact_id: each for each, _ in self._saved_contacts}.values())
        )
        store.save_parked(list(self._new_parked.values()), self._done)
        generated = sum(row.source == SYSTEM_SOURCE for row in self.rows)
        if generated:
            self._tallies[SYSTEM_SOURCE].generated += generated
        store.add_counters(self._tallies)
        store.add_rejected_events(self._refusals)
        store.mark_replayed(self._replayed, received_at)


def _unique(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})


def _message_keys(drafts: Iterable[Draft]) -> list[MessageKey]:
    keys = {(each.conversation_id or "", each.message_id or each.event_id or "") for each in drafts}
    return sorted(keys)


def _key(draft: Draft) -> str | None:
    if draft.payload is None or not draft.event_type.startswith("conversation."):
        return None
    key = draft.payload.get("conversation_key")
    return key if isinstance(key, str) else None
