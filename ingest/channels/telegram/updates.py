"""Updates of Telegram's Bot API.

https://core.telegram.org/bots/api#update. At most one field of an update is set, but each set one is read on its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field

from ingest.channels.base import (
    DeletionItem,
    Inbound,
    MessageItem,
    OtherItem,
    ReactionItem,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.fields import kind_name
from ingest.channels.json_body import decode, decode_fields, decode_tree
from ingest.channels.telegram.messages import (
    SECOND,
    Chat,
    Reader,
    Seconds,
    User,
    chat_person,
    read_edit,
    read_message,
    thread_key,
    user_person,
)

MAX_REACTION = 64

UpdateId = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Origin(Struct, frozen=True, kw_only=True):
    """The message whose button was pressed; an old one has its ids only."""

    message_id: int
    chat: Chat
    message_thread_id: int | None = None
    is_topic_message: bool = False
    business_connection_id: str | None = None
    reply_markup: dict[str, Any] = {}


class CallbackQuery(Struct, frozen=True, kw_only=True):
    """A person pressed a button of a message."""

    id: str
    from_: User = field(name="from")
    message: Origin | None = None
    data: str | None = None


class ReactionType(Struct, frozen=True):
    """An emoji, a custom emoji or a paid star."""

    type: str
    emoji: str | None = None
    custom_emoji_id: str | None = None


class ReactionUpdate(Struct, frozen=True, kw_only=True):
    """All reactions of a person on a message, before and after."""

    chat: Chat
    message_id: int
    old_reaction: list[ReactionType]
    new_reaction: list[ReactionType]
    user: User | None = None
    actor_chat: Chat | None = None
    date: Seconds = 0


class DeletedMessages(Struct, frozen=True):
    """Messages that were deleted from a business account."""

    business_connection_id: str
    chat: Chat
    message_ids: list[int]


class Sides(Struct, frozen=True, kw_only=True):
    """The fields that tell who and where, in updates of other kinds."""

    from_: User | None = field(name="from", default=None)
    user: User | None = None
    voter_chat: Chat | None = None
    chat: Chat | None = None
    user_chat_id: int | None = None
    date: Seconds = 0
    business_connection_id: str | None = None


def read_update(body: bytes) -> Iterator[Inbound]:
    """Yield the items of an update. Raises UnreadableCallError for a body that is no update."""
    fields = decode_fields(body)
    if "update_id" not in fields:
        raise UnreadableCallError("no update_id: this is not an update")
    update = f"update/{decode(fields.pop('update_id'), UpdateId)}"
    if not fields:
        yield OtherItem(provider_id=update, person=None, kind="empty_update")
    for name, raw in fields.items():
        yield from _read(name, raw, update)


def _read(name: str, raw: Raw, update: str) -> Sequence[Inbound]:
    try:
        if name == "deleted_business_messages":
            return _deletions(raw, update)
        reader = _READERS.get(name)
        return [reader(raw, update) if reader else _other(name, raw, update)]
    except UnreadableCallError as error:
        return [UnreadableItem(reason=str(error), raw=bytes(raw))]


def _deletions(raw: Raw, update: str) -> list[Inbound]:
    deleted = decode(raw, DeletedMessages)
    key = thread_key(deleted.chat.id, connection=deleted.business_connection_id)
    return [
        DeletionItem(
            provider_id=f"{update}/{number}",
            person=chat_person(deleted.chat),
            thread=(key,),
            message=f"{deleted.chat.id}/{number}",
        )
        for number in deleted.message_ids
    ]


def _press(raw: Raw, update: str) -> Inbound:
    """Return the message of a person who pressed a button. Its text is what the button says."""
    query = decode(raw, CallbackQuery)
    if query.data is None:
        return _other("callback_query", raw, update)
    origin = query.message
    return MessageItem(
        provider_id=f"callback/{query.id}",
        person=user_person(query.from_),
        thread=_thread(origin) if origin else (),
        author_name=user_person(query.from_).name,
        text=_title(origin.reply_markup if origin else {}, query.data) or query.data,
        in_reply_to=f"{origin.chat.id}/{origin.message_id}" if origin else None,
        payload={"action": {"value": query.data}},
    )


def _thread(origin: Origin) -> tuple[str, ...]:
    topic = origin.message_thread_id if origin.is_topic_message else None
    return (thread_key(origin.chat.id, topic, origin.business_connection_id),)


def _title(markup: Mapping[str, Any], data: str) -> str | None:
    rows = markup.get("inline_keyboard")
    for row in rows if isinstance(rows, list) else ():
        for button in row if isinstance(row, list) else ():
            if isinstance(button, dict) and button.get("callback_data") == data:
                title = button.get("text")
                return title if isinstance(title, str) else None
    return None


def _reaction(raw: Raw, update: str) -> Inbound:
    """Return the reaction that was added; if none was, one that stays, or the removal of all."""
    event = decode(raw, ReactionUpdate)
    actor = user_person(event.user) if event.user else None
    if event.actor_chat is not None:
        actor = chat_person(event.actor_chat)
    added = [each for each in event.new_reaction if each not in event.old_reaction]
    reaction = next(map(_reaction_text, added or event.new_reaction), None)
    return ReactionItem(
        provider_id=update,
        person=actor,
        happened_at=event.date * SECOND or None,
        thread=(thread_key(event.chat.id),),
        message=f"{event.chat.id}/{event.message_id}",
        reaction=reaction,
    )


def _reaction_text(reaction: ReactionType) -> str:
    name = reaction.emoji or (
        reaction.custom_emoji_id and f"custom_emoji:{reaction.custom_emoji_id}"
    )
    return (name or reaction.type)[:MAX_REACTION]


def _other(name: str, raw: Raw, update: str) -> OtherItem:
    tree, sides = decode_tree(raw), decode(raw, Sides)
    user, chat = sides.from_ or sides.user, sides.voter_chat or sides.chat
    person = user_person(user) if user else chat_person(chat) if chat else None
    home = sides.chat.id if sides.chat else None
    return OtherItem(
        provider_id=update,
        person=person,
        happened_at=sides.date * SECOND or None,
        thread=(thread_key(home, connection=sides.business_connection_id),) if home else (),
        kind=kind_name(name),
        data=tree,
    )


_READERS: dict[str, Reader] = {
    "message": read_message,
    "channel_post": read_message,
    "business_message": read_message,
    "guest_message": read_message,
    "edited_message": read_edit,
    "edited_channel_post": read_edit,
    "edited_business_message": read_edit,
    "callback_query": _press,
    "message_reaction": _reaction,
}
