"""Assigns an item, whose contact is known, to a conversation and a participant.

A known thread decides first, then the person's latest conversation with this account. The drafts create what is missing.
"""

from typing import Any

from ingest.channels.base import Account, Item
from ingest.channels.reply_tokens import reply_token, token_key
from ingest.contract import derived_id
from ingest.events.contact_state import Contact
from ingest.events.conversation_state import Conversation, Member
from ingest.events.draft import Draft
from ingest.identity.binding import BindingSettings, Keys, keys_of
from ingest.identity.contact_rules import happened_at
from ingest.identity.conversations import Conversations, first_id, next_id
from ingest.identity.directory import Directory


class Assignment:
    """The conversation of one item. Read its `keys` before `assign`, which adds to `drafts`."""

    def __init__(
        self,
        account: Account,
        settings: BindingSettings,
        item: Item,
        contact: Contact | None,
        directory: Directory,
    ) -> None:
        """Find the keys of the item."""
        self._account = account
        self._settings = settings
        self._item = item
        self._contact = contact
        merged = [] if contact is None else directory.merged(contact)
        self._same = {each.contact_id for each in merged}
        self.channel = item.channel or account.channel
        self.keys: Keys = keys_of(item, self.channel, settings, contact, merged)
        self.drafts: list[Draft] = []

    def assign(self, known: Conversations, now: int) -> Conversation | None:
        """Return the item's conversation, of which its person is a member; None if the item does not say."""
        threaded = (known.at(key) for key in self.keys.threads)
        state = next((each for each in threaded if each is not None), None)
        if self._contact is None:
            return state
        if state is None:
            state = self._bound(self._contact, known, now)
        if self.member_of(state) is None:
            self._join(self._contact, state)
        known.remember(self.keys.threads, state.conversation_id)
        return state

    def member_of(self, state: Conversation) -> str | None:
        """Return the participant that the person is in this conversation, or None."""
        for participant_id, member in state.participants.items():
            if member.participant_role == "customer" and member.contact_id in self._same:
                return participant_id
        return None

    def _bound(self, contact: Contact, known: Conversations, now: int) -> Conversation:
        """Return the person's latest conversation with this account, or a new one."""
        bound = [self._own_at(key, known) for key in self.keys.bindings]
        earlier = [self._own_at(key, known) for key in self.keys.earlier]
        candidates = [each for each in (*bound, *earlier) if each is not None]
        state = max(
            candidates, key=lambda each: (_latest(each), each.conversation_id), default=None
        )
        if state is None:
            first = first_id(self._account.account_id, self.keys.bindings[0], contact.contact_id)
            state = known.get(first) or self._create(contact, first, known)
        while self._is_over(state, now):
            following = next_id(state.conversation_id)
            state = known.get(following) or self._create(contact, following, known)
        if None in bound:
            self._bind(state, known)
        return state

    def _is_over(self, state: Conversation, now: int) -> bool:
        """Return whether the window has passed. The log itself continues a closed conversation in a new one."""
        window = self._settings.window_seconds
        if window is None or state.state == "closed" or state.last_sequence == 0:
            return False
        at = now if self._item.happened_at is None else self._item.happened_at
        return at - _latest(state) > window * 1_000_000

    def _create(self, contact: Contact, conversation_id: str, known: Conversations) -> Conversation:
        participant: dict[str, Any] = {
            "participant_id": contact.contact_id,
            "participant_role": "customer",
            "contact_id": contact.contact_id,
        }
        payload: dict[str, Any] = {
            "participants": [participant | self._described()],
            "bindings": list(self.keys.bindings),
        }
        if self._settings.has_threads:
            payload["thread"] = [token_key(reply_token(conversation_id))]
        draft = self._draft("conversation.created", conversation_id, conversation_id, payload)
        known.remember(self.keys.bindings, conversation_id)
        return known.create(draft)

    def _described(self) -> dict[str, Any]:
        """Return the name that the item gives the person, else the one that the contact has."""
        given = None if self._item.person is None else self._item.person.name
        known = None if self._contact is None else self._contact.attributes.get("name")
        name = given or (known if isinstance(known, str) else None)
        return {"attributes": {"name": name}} if name else {}

    def _join(self, contact: Contact, state: Conversation) -> None:
        """Let the person join a conversation of others, such as a thread."""
        name = f"{state.conversation_id}/{contact.contact_id}/{state.version}"
        draft = self._draft("participant.joined", state.conversation_id, name, self._described())
        draft.participant_id, draft.participant_role = contact.contact_id, "customer"
        state.participants[contact.contact_id] = Member("customer", contact.contact_id)

    def _bind(self, state: Conversation, known: Conversations) -> None:
        """Let new addresses of the person lead to this conversation too."""
        new = [each for each in self.keys.bindings if self._own_at(each, known) is None]
        if self._settings.by == "contact" or not new:
            return
        name = f"{state.conversation_id}/{'/'.join(new)}"
        draft = self._draft("participant.updated", state.conversation_id, name, {"bindings": new})
        draft.participant_id, draft.participant_role = self.member_of(state), "customer"
        known.remember(new, state.conversation_id)

    def _own_at(self, key: str, known: Conversations) -> Conversation | None:
        """Return the conversation that a key leads to; None if it is of a former owner of the address."""
        state = known.at(key)
        return None if state is None or self.member_of(state) is None else state

    def _draft(
        self, event_type: str, conversation_id: str, name: str, payload: dict[str, Any]
    ) -> Draft:
        draft = Draft(
            event_type=event_type,
            event_id=derived_id(f"{event_type}/{name}"),
            conversation_id=conversation_id,
            contact_id=None if self._contact is None else self._contact.contact_id,
            channel=self.channel,
            channel_account=self._account.account_id,
            happened_at=happened_at(self._item),
            is_test=self._item.is_test or None,
            payload=payload or None,
        )
        self.drafts.append(draft)
        return draft


def _latest(state: Conversation) -> int:
    """Return when the last message came, or when the conversation began."""
    return max(state.last_message_at.values(), default=state.created_at)
