"""Messages of Telegram's Bot API, and the items that they become.

https://core.telegram.org/bots/api#message
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from ingest.channels import addresses
from ingest.channels.base import EditItem, Inbound, MessageItem, OtherItem, Person
from ingest.channels.fields import kind_name
from ingest.channels.json_body import decode, decode_tree
from ingest.channels.telegram import content

SECOND = 1_000_000

Author = Literal["customer", "agent", "bot"]

Seconds = Annotated[int, Meta(ge=0, lt=2**33)]

_ENVELOPE = frozenset(
    (
        "message_id", "from", "sender_chat", "chat", "date", "edit_date", "message_thread_id",
        "is_topic_message", "business_connection_id", "sender_business_bot", "sender_boost_count",
        "author_signature", "has_protected_content", "is_from_offline", "is_automatic_forward",
        "reply_to_message", "external_reply", "quote", "reply_to_story", "forward_origin",
        "forward_from", "forward_from_chat", "forward_date", "via_bot", "media_group_id",
        "guest_query_id", "guest_bot_caller_user", "guest_bot_caller_chat", "receiver_user",
        "ephemeral_message_id", "reply_markup", "direct_messages_topic", "is_paid_post", "link_preview_options",
    )
)  # fmt: skip
"""Fields around the content. The first other one names what a message without text or file is."""


class User(Struct, frozen=True, kw_only=True):
    """A person or a bot."""

    id: int
    is_bot: bool = False
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None


class Chat(Struct, frozen=True, kw_only=True):
    """A private chat, which has the id of its user, a group or a channel."""

    id: int
    type: str = "private"
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None


class Named(Struct, frozen=True):
    """A message that another one answers."""

    message_id: int
    chat: Chat | None = None


class Message(Struct, frozen=True, kw_only=True):
    """The fields around a message. Its content is read as a tree."""

    message_id: int
    chat: Chat
    from_: User | None = field(name="from", default=None)
    sender_chat: Chat | None = None
    sender_business_bot: User | None = None
    author_signature: str | None = None
    date: Seconds = 0
    edit_date: Seconds = 0
    message_thread_id: int | None = None
    is_topic_message: bool = False
    business_connection_id: str | None = None
    reply_to_message: Named | None = None

    @property
    def name(self) -> str:
        """The id of the message: `message_id` is unique only in its chat."""
        return f"{self.chat.id}/{self.message_id}"

    @property
    def thread(self) -> tuple[str, ...]:
        """The key of the conversation: chat, topic of a forum, connection of a business account."""
        topic = self.message_thread_id if self.is_topic_message else None
        return (thread_key(self.chat.id, topic, self.business_connection_id),)


def thread_key(chat: int, topic: int | None = None, connection: str | None = None) -> str:
    """Return the key of a conversation: `chat[:topic][@connection]`."""
    suffix = f"@{connection}" if connection else ""
    return f"{chat}{f':{topic}' if topic is not None else ''}{suffix}"


def user_person(user: User) -> Person:
    """Return the person behind a user."""
    known = {"username": user.username, "language_code": user.language_code}
    return _person(user, {name: value for name, value in known.items() if value})


def chat_person(chat: Chat) -> Person:
    """Return the other side of a chat: the user of a private one, else the group or channel."""
    return _person(chat, {"username": chat.username} if chat.username else {})


def _person(party: User | Chat, attributes: Mapping[str, Any]) -> Person:
    words = filter(None, (party.first_name, party.last_name))
    title = party.title if isinstance(party, Chat) else None
    return Person(
        addresses=(addresses.telegram_user(party.id),),
        name=title or " ".join(words) or party.username,
        attributes=attributes,
    )


def sender(message: Message) -> Person:
    """Return who wrote: a chat that speaks for its anonymous members, else a user."""
    if message.sender_chat is not None:
        return chat_person(message.sender_chat)
    return user_person(message.from_) if message.from_ else chat_person(message.chat)


def is_echo(message: Message) -> bool:
    """Return whether our side wrote in a business account: the chat is private, and has the customer's id."""
    is_private = message.business_connection_id is not None and message.chat.type == "private"
    return is_private and message.from_ is not None and message.from_.id != message.chat.id


def read_message(raw: Raw, _update: str) -> Inbound:
    """Return a new message; one with neither words nor files is an OtherItem. Raises UnreadableCallError."""
    message, tree = decode(raw, Message), decode_tree(raw)
    text, attachments = content.words(tree), tuple(content.attachments(tree))
    if not text and not attachments:
        return _other(message, tree)
    return MessageItem(
        provider_id=message.name,
        person=chat_person(message.chat) if is_echo(message) else sender(message),
        happened_at=message.date * SECOND or None,
        thread=message.thread,
        author=_author(message),
        author_name=message.author_signature or sender(message).name,
        text=text,
        attachments=attachments,
        in_reply_to=_answered(message),
        payload=content.details(tree),
    )


def read_edit(raw: Raw, update: str) -> Inbound:
    """Return the new text of a message; an edit without text, such as a live location, is an OtherItem."""
    message, tree = decode(raw, Message), decode_tree(raw)
    text = content.words(tree)
    if not text:
        return _other(message, tree, "edited_message", update)
    return EditItem(
        provider_id=update,
        person=chat_person(message.chat) if is_echo(message) else sender(message),
        happened_at=(message.edit_date or message.date) * SECOND or None,
        thread=message.thread,
        message=message.name,
        text=text,
        author=_author(message),
    )


def _author(message: Message) -> Author:
    if message.sender_business_bot is not None:
        return "bot"
    if is_echo(message):
        return "agent"
    is_bot = message.sender_chat is None and message.from_ is not None and message.from_.is_bot
    return "bot" if is_bot else "customer"


def _answered(message: Message) -> str | None:
    answered = message.reply_to_message
    if answered is None or answered.message_id == message.message_thread_id:
        return None  # Telegram names the root of a topic in every message of the topic
    return f"{(answered.chat or message.chat).id}/{answered.message_id}"


def _other(
    message: Message, tree: Mapping[str, Any], kind: str | None = None, update: str | None = None
) -> OtherItem:
    named = (kind_name(name) for name in tree if name not in _ENVELOPE)
    return OtherItem(
        provider_id=update or message.name,
        person=chat_person(message.chat) if is_echo(message) else sender(message),
        happened_at=(message.edit_date or message.date) * SECOND or None,
        thread=message.thread,
        kind=kind or next(named, "empty_message"),
        data=dict(tree),
    )


Reader = Callable[[Raw, str], Inbound]
"""Reads one field of an update. The text is the update's own id."""
