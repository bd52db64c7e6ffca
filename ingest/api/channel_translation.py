"""The items of one call of a provider become events: in which conversation, by whom, and what has to wait.

Reads the store, and changes nothing. The same call gives the same event ids, however often it comes.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec import Struct
from sqlalchemy import Engine

from ingest.accounts import provider_messages
from ingest.accounts.provider_messages import FoundMessage
from ingest.accounts.registry import AccountPolicy
from ingest.accounts.sends import settle_send
from ingest.accounts.waiting_items import Waiting
from ingest.api.channel_result import CallResult, TypingChange, wait
from ingest.api.channel_watermarks import receipts_up_to
from ingest.api.referenced_messages import ReferencedMessages, in_order
from ingest.channels import drafts
from ingest.channels.base import (
    Account,
    AddressChangeItem,
    DeletionItem,
    EditItem,
    Inbound,
    Item,
    MessageItem,
    OtherItem,
    ReactionItem,
    ReceiptItem,
    TypingItem,
    UnreadableItem,
    WatermarkItem,
)
from ingest.channels.drafts import Place
from ingest.channels.errors import RejectedCallError
from ingest.channels.registry import THREADED_CHANNELS
from ingest.channels.source import CHANNEL_SOURCE
from ingest.errors import EventRejectedError
from ingest.events.draft import Draft
from ingest.identity.binding import BindingSettings
from ingest.identity.resolver import Resolution, Resolver, Unresolved
from ingest.log.storage.keyed_rows import EngineReader

logger = logging.getLogger(__name__)

SECOND = 1_000_000

_CHANGES = (EditItem, DeletionItem, ReactionItem)

SEND_SECONDS = 60
"""Time after which a send without a result does not hold an echo back any more: 60 s."""


class ReadCall(Struct, frozen=True):
    """A call as its adapter read it. `now`: microseconds."""

    account: Account
    policy: AccountPolicy
    items: Sequence[Inbound]
    call_id: str
    now: int


def binding_settings(account: Account, policy: AccountPolicy) -> BindingSettings:
    """Return how an account assigns messages to conversations."""
    return BindingSettings(
        by=policy.binding,
        window_seconds=policy.new_conversation_after,
        has_threads=account.channel in THREADED_CHANNELS,
    )


class CallTranslation:
    """The translation of one call: `translate` it, or `begin` and `finish` it to read the store for several calls."""

    def __init__(
        self, engine: Engine, resolver: Resolver, waits: int, read: ReadCall, *, may_wait: bool
    ) -> None:
        """Begin. `waits`: microseconds that an item waits for its message. Without `may_wait` none waits for a send."""
        self._engine = engine
        self._resolver = resolver
        self._waits = waits
        self._account = read.account
        self._account_id = read.account.account_id
        self._settings = binding_settings(read.account, read.policy)
        self._items: list[Item] = []
        self._in_call: set[str | None] = set()
        self._call_id = read.call_id
        self._now = read.now
        self._may_wait = may_wait
        self._messages = ReferencedMessages(engine, read.account.account_id)
        self._unresolved: list[Item] = []
        self._resolutions: dict[int, Resolution] = {}
        self.result = CallResult()
        for each in read.items:
            if isinstance(each, UnreadableItem):
                self.result.reject(each.raw, RejectedCallError(each.reason))
                continue
            self._items.append(each)
            if isinstance(each, MessageItem):
                self._in_call.add(each.provider_id)

    def translate(self) -> CallResult:
        """Translate each item. One that cannot be translated is rejected, and costs the others nothing."""
        return self._translate_all(self._resolve_new(self._items))

    def begin(self) -> Unresolved:
        """Find the messages that the items name; return the items that need a person."""
        self._items = in_order(self._items)
        self._messages.find(self._items)
        self._unresolved = [item for item in self._items if self._needs_person(item)]
        return Unresolved(self._account, self._settings, self._unresolved)

    def event_ids(self) -> list[str]:
        """Return the ids of the events that the items become."""
        return [drafts.event_id_of(self._account_id, item) for item in self._items]

    def finish(self, resolved: Sequence[Resolution]) -> CallResult:
        """Translate each item as `translate` does. `resolved`: what `begin` returned. No event is in the log."""
        self._note(self._unresolved, resolved)
        return self._translate_all(self._items)

    def _translate_all(self, items: Iterable[Item]) -> CallResult:
        for item in items:
            try:
                self._translate(item)
            except EventRejectedError as error:
                self.result.reject(item, error)
            except Exception:
                logger.exception("an item of a provider could not be translated")
                self.result.reject(item, RejectedCallError("the item could not be translated"))
        return self.result

    def _resolve_new(self, items: Sequence[Item]) -> list[Item]:
        """Return the items whose event is not in the log, resolved; the others are duplicates or conflicts.

        Their events may arrive while the store is read: then the reads do not fit together, and are repeated.
        """
        known: set[int] = set()
        while True:
            new = in_order(item for item in items if id(item) not in known)
            self._messages.find(new)
            self._resolve([item for item in new if self._needs_person(item)])
            arrived = self._known(new)
            if not arrived:
                return new
            known |= arrived

    def _known(self, items: Sequence[Item]) -> set[int]:
        """Append the items whose event is in the log as repeats; return which they are."""
        ids = {drafts.event_id_of(self._account_id, item): item for item in items}
        stored = provider_messages.find_events(
            EngineReader(self._engine), list(ids), CHANNEL_SOURCE
        )
        for event_id in stored:
            repeat = Draft(event_type="message.created", event_id=event_id)
            self.result.append(ids[event_id], repeat)
        return {id(ids[event_id]) for event_id in stored}

    def _needs_person(self, item: Item) -> bool:
        if isinstance(item, ReceiptItem):
            return False
        if isinstance(item, _CHANGES):
            is_in_call = item.message in self._in_call
            return is_in_call or self._messages.get(item.message) is not None
        return True

    def _resolve(self, items: Sequence[Item]) -> None:
        """Resolve all items at once; if that fails, each alone, so that one costs the others nothing."""
        if not items:
            return
        try:
            self._resolve_together(items)
        except Exception:
            logger.exception("the items of a call could not be resolved together")
            for item in items:
                with suppress(Exception):
                    self._resolve_together([item])

    def _resolve_together(self, items: Sequence[Item]) -> None:
        self._note(items, self._resolver.resolve(self._account, self._settings, items))

    def _note(self, items: Sequence[Item], resolved: Sequence[Resolution]) -> None:
        self._resolutions |= {id(item): each for item, each in zip(items, resolved, strict=True)}

    def _translate(self, item: Item) -> None:
        match item:
            case AddressChangeItem():
                self.result.prepend(self._resolutions[id(item)].drafts)
            case MessageItem():
                self._translate_message(item)
            case OtherItem():
                self._translate_other(item)
            case EditItem() | DeletionItem() | ReactionItem():
                self._translate_change(item)
            case ReceiptItem():
                self._translate_receipt(item)
            case WatermarkItem():
                self._translate_watermark(item)
            case TypingItem():
                self._translate_typing(item)

    def _translate_message(self, item: MessageItem) -> None:
        if item.author in ("agent", "bot") and self._is_own_send(item):
            return
        found = self._resolutions[id(item)]
        place = _place(found)
        if place is None:
            raise RejectedCallError("the message names no person and no conversation")
        if item.author == "agent" and self._waits_for_send(item, place.conversation_id):
            return
        self.result.prepend(found.drafts)
        replied_to = self._messages.reply_id(item.in_reply_to)
        draft = drafts.draft_of_message(item, self._account, place, replied_to)
        self.result.append(item, draft)
        created = FoundMessage(place.conversation_id, draft.message_id or "")
        self._messages.add(item.provider_id, created)

    def _is_own_send(self, item: MessageItem) -> bool:
        """Return whether the message is an echo of our own send, and note the provider's id of that."""
        if self._messages.is_sent(item.provider_id):
            return True
        ours = self._messages.find_send(item.client_reference)
        if ours is None:
            return False
        self._note_sent(item.client_reference, item.provider_id, ours)
        receipt = ReceiptItem(
            provider_id=item.provider_id,
            person=None,
            happened_at=item.happened_at,
            message=item.provider_id,
            status="submitted",
        )
        self._append_receipt(receipt, ours)
        return True

    def _note_sent(self, reference: str | None, provider_id: str, ours: FoundMessage) -> None:
        """Note that the provider took a send, and the id that it gave to it."""
        sent = (ours.conversation_id, ours.message_id)
        self.result.statements += [
            provider_messages.record_sent(self._account_id, provider_id, *sent, self._now),
            settle_send(self._account_id, reference or "", provider_id, self._now),
        ]

    def _waits_for_send(self, item: MessageItem | WatermarkItem, conversation_id: str) -> bool:
        """Let an item wait while a send in its conversation has no result: it may be about that send."""
        since = self._now - SEND_SECONDS * SECOND
        if not self._may_wait or not provider_messages.has_send_in_flight(
            self._engine, self._account_id, conversation_id, since
        ):
            return False
        until = self._now + SEND_SECONDS * SECOND
        self._wait(item, item.provider_id, until, self._now + SECOND)
        return True

    def _translate_change(self, item: EditItem | DeletionItem | ReactionItem) -> None:
        message = self._messages.get(item.message)
        if message is None:
            self._wait(item, item.message)
            return
        resolved = self._resolutions.get(id(item))
        place = Place(conversation_id=message.conversation_id)
        if resolved is not None:
            self.result.prepend(
                each for each in resolved.drafts if each.event_type != "conversation.created"
            )
            place = Place(
                conversation_id=message.conversation_id,
                participant_id=resolved.participant_id,
                contact_id=resolved.contact_id,
                channel=resolved.channel,
            )
        self.result.append(
            item, drafts.draft_of_change(item, self._account, place, message.message_id)
        )

    def _translate_receipt(self, item: ReceiptItem) -> None:
        message = self._messages.get(item.message)
        if (
            message is None
            and (message := self._messages.find_send(item.client_reference)) is not None
        ):
            self._note_sent(item.client_reference, item.message, message)
        if message is None:
            self._wait(item, item.message)
            return
        self._append_receipt(item, message)

    def _append_receipt(self, item: ReceiptItem, message: FoundMessage) -> None:
        place = Place(conversation_id=message.conversation_id)
        draft = drafts.draft_of_receipt(
            item, self._account, place, message.message_id, message.attempt
        )
        append = self.result.append_state if item.is_also_marked else self.result.append
        append(item, draft)

    def _translate_watermark(self, item: WatermarkItem) -> None:
        """Give a receipt to each of our messages up to the mark that has none of this status."""
        place = _place(self._resolutions[id(item)])
        if place is None:
            return
        receipts = receipts_up_to(
            self._engine, self._account, item, place.conversation_id, self.result.event_ids()
        )
        for draft in receipts:
            self.result.append_state(item, draft)
        self._waits_for_send(item, place.conversation_id)

    def _translate_typing(self, item: TypingItem) -> None:
        place = _place(self._resolutions[id(item)])
        if place is not None and place.participant_id is not None:
            change = TypingChange(place.conversation_id, place.participant_id, item.is_typing)
            self.result.typing.append(change)

    def _translate_other(self, item: OtherItem) -> None:
        """Store what no type describes; if it concerns no person, in a conversation of the account's notices."""
        found = self._resolutions[id(item)]
        place = _place(found)
        if place is None:
            self.result.prepend([drafts.draft_of_notices(self._account)])
            place = Place(conversation_id=drafts.notices_id_of(self._account_id))
        else:
            self.result.prepend(found.drafts)
        self.result.append(item, drafts.draft_of_other(item, self._account, place))

    def _wait(
        self, item: Waiting, provider_id: str, until: int | None = None, check_at: int | None = None
    ) -> None:
        until = self._now + self._waits if until is None else until
        check_at = until if check_at is None else check_at
        self.result.waiting.append(
            wait(item, self._account_id, self._call_id, provider_id, self._now, until, check_at)
        )


def _place(found: Resolution) -> Place | None:
    if found.conversation_id is None:
        return None
    return Place(
        conversation_id=found.conversation_id,
        participant_id=found.participant_id,
        contact_id=found.contact_id,
        channel=found.channel,
        payload=found.payload,
    )
