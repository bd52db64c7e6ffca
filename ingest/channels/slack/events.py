"""Slack's Events API: the envelope, and the items of its event.

https://docs.slack.dev/apis/events-api and https://docs.slack.dev/reference/events/message
"""

from collections.abc import Callable
from hashlib import sha256

from ingest.channels.base import (
    Account,
    ChangeAuthor,
    DeletionItem,
    EditItem,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    ReactionItem,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.fields import kind_name, text_of
from ingest.channels.json_body import INTEGER_LIMIT, decode, decode_tree
from ingest.channels.slack.body import Bot, Envelope, File, Kind, Message, Metadata, Reaction
from ingest.channels.slack.fields import (
    REFERENCE_TYPE,
    channel_party,
    is_agent,
    message_name,
    microseconds,
    person,
    plain,
    texts,
    thread_keys,
    without_credentials,
)
from ingest.events.payloads import Attachment

MAX_REACTION = 64
"""Longest reaction of an event; custom emoji of Slack may have longer names."""

_MESSAGE_SUBTYPES = {None, "bot_message", "file_share", "me_message", "thread_broadcast"}


def read_event(body: bytes, account: Account) -> Inbound:
    """Return the item of a call of the Events API. Raises UnreadableCallError without an envelope."""
    envelope = decode(body, Envelope)
    try:
        kind = decode(envelope.event, Kind)
        return _reader(kind)(envelope, account)
    except UnreadableCallError as error:
        return UnreadableItem(reason=str(error), raw=bytes(envelope.event))


def _reader(kind: Kind) -> Callable[[Envelope, Account], Inbound]:
    if kind.type in ("reaction_added", "reaction_removed"):
        return _reaction
    if kind.type not in ("message", "app_mention"):
        return _other
    if kind.subtype in _MESSAGE_SUBTYPES:
        return _message
    changes = {"message_changed": _change, "message_deleted": _deletion}
    return changes.get(kind.subtype or "", _other)


def _message(envelope: Envelope, account: Account) -> Inbound:
    """Return the message. Slack sends a mention of the app twice, as `message` too: both give the same item."""
    message = decode(envelope.event, Message)
    name, original = message_name(message.channel, message.ts), words(message)
    files, text = tuple(map(_attachment, message.files or ())), plain(original)
    if not text and not files:
        return _other(envelope, account)
    is_bot = message.bot_id is not None or message.subtype == "bot_message"
    is_ours = is_bot or is_agent(message.user, account)
    keys = thread_keys(message.channel, message.thread_ts or message.ts, message.channel_type)
    return MessageItem(
        provider_id=name,
        person=_other_side(message, envelope.team_id, keys, is_ours=is_ours),
        happened_at=microseconds(message.ts),
        thread=keys,
        author="bot" if is_bot else "agent" if is_ours else "customer",
        author_name=(message.bot_profile or Bot()).name or message.username,
        text=text or None,
        attachments=files,
        in_reply_to=_root(message),
        client_reference=_reference(message.metadata or Metadata()),
        payload={"original_text": original} if original != text else {},
    )


def _other_side(
    message: Message, team: str | None, keys: tuple[str, ...], *, is_ours: bool
) -> Person | None:
    """Return the customer; for our side's messages the thread tells who that is, unless they begin it."""
    if not is_ours:
        return person(message.user, team)
    begins = keys[-1] == f"{message.channel}/{message.ts}"
    return channel_party(message.channel, team) if begins else None


def words(message: Message) -> str:
    """Return the text as Slack sends it. Apps may send blocks or attachments alone."""
    shown = (message.blocks, message.attachments)
    return message.text or next(filter(None, ("\n".join(texts(each)) for each in shown)), "")


def _attachment(file: File) -> Attachment:
    return Attachment(
        url=file.url_private_download or file.url_private,
        content_type=file.mimetype,
        size=file.size if file.size is not None and 0 <= file.size < INTEGER_LIMIT else None,
        name=file.name,
    )


def _root(message: Message) -> str | None:
    """Return the message that a reply in a thread answers."""
    if message.thread_ts in (None, "", message.ts):
        return None
    return message_name(message.channel, message.thread_ts or "")


def _reference(metadata: Metadata) -> str | None:
    reference = metadata.event_payload.get("reference")
    is_ours = metadata.event_type == REFERENCE_TYPE and isinstance(reference, str)
    return reference if is_ours else None


def _customer(message: Message, envelope: Envelope, account: Account) -> Person | None:
    """Return who wrote a message that changed, or None if it was our side."""
    if message.bot_id is not None or is_agent(message.user, account):
        return None
    return person(message.user, envelope.team_id)


def _author(message: Message, account: Account) -> ChangeAuthor:
    """Return who wrote a message that changed: Slack does not say who deleted one."""
    if message.bot_id is not None:
        return "bot"
    return "agent" if is_agent(message.user, account) else "customer"


def _change(envelope: Envelope, account: Account) -> Inbound:
    """Return the edit. Slack also reports previews of links as a change, and a deleted root as a tombstone."""
    event = decode(envelope.event, Message)
    new, old = event.message or Message(), event.previous_message or Message()
    name = message_name(event.channel, new.ts or old.ts)
    if new.subtype == "tombstone":
        return _deleted(event, name, old, envelope, account)
    text = words(new)
    is_preview = new.edited is None and event.previous_message is not None and text == words(old)
    if is_preview or not text:
        return _other(envelope, account)
    original = {"original_text": text} if plain(text) != text else {}
    return EditItem(
        provider_id=f"changed/{event.channel}/{_moment(envelope, event.event_ts or event.ts)}",
        person=_customer(new, envelope, account),
        happened_at=_time(event),
        thread=_thread_of_change(event, new, old),
        message=name,
        text=plain(text),
        author=_author(new, account),
        payload=original,
    )


def _deletion(envelope: Envelope, account: Account) -> Inbound:
    event = decode(envelope.event, Message)
    old = event.previous_message or Message()
    name = message_name(event.channel, event.deleted_ts or old.ts)
    return _deleted(event, name, old, envelope, account)


def _deleted(
    event: Message, name: str, old: Message, envelope: Envelope, account: Account
) -> DeletionItem:
    return DeletionItem(
        provider_id=f"deleted/{name}",
        person=_customer(old, envelope, account),
        happened_at=_time(event),
        thread=_thread_of_change(event, event.message or old, old),
        message=name,
        author=_author(old, account),
    )


def _thread_of_change(event: Message, new: Message, old: Message) -> tuple[str, ...]:
    root = new.thread_ts or old.thread_ts or new.ts or old.ts or event.deleted_ts
    return thread_keys(event.channel, root, event.channel_type)


def _time(event: Message) -> int | None:
    moment = event.event_ts or event.ts
    return microseconds(moment) if moment else None


def _reaction(envelope: Envelope, account: Account) -> Inbound:
    event = decode(envelope.event, Reaction)
    if event.item.type != "message" or len(event.reaction) > MAX_REACTION:
        return _other(envelope, account)
    moment = event.event_ts or envelope.event_ts
    target = message_name(event.item.channel, event.item.ts)
    key = f"{event.user}/{event.reaction}/{_moment(envelope, event.event_ts)}"
    return ReactionItem(
        provider_id=f"{event.type}/{target}/{key}",
        person=None if is_agent(event.user, account) else person(event.user, envelope.team_id),
        happened_at=microseconds(moment) if moment else None,
        thread=thread_keys(event.item.channel, event.item.ts)[-1:],
        message=target,
        reaction=event.reaction if event.type == "reaction_added" else None,
    )


def _other(envelope: Envelope, account: Account) -> Inbound:
    tree = decode_tree(envelope.event)
    kind = kind_name(text_of(tree, "subtype") or text_of(tree, "type") or "")
    moment = text_of(tree, "event_ts") or text_of(tree, "ts") or envelope.event_ts
    is_ours = "bot_id" in tree or is_agent(text_of(tree, "user"), account)
    channel, root = text_of(tree, "channel"), text_of(tree, "thread_ts") or text_of(tree, "ts")
    return OtherItem(
        provider_id=f"{kind}/{_moment(envelope, moment)}",
        person=None if is_ours else person(tree.get("user"), envelope.team_id),
        happened_at=microseconds(moment) if moment else None,
        thread=thread_keys(channel, root) if channel else (),
        kind=kind,
        text=plain(text_of(tree, "text") or "") or None,
        data=without_credentials(tree),
    )


def _moment(envelope: Envelope, timestamp: str | None) -> str:
    """Return what tells this event from others of its kind, the same in a redelivery."""
    known = [each for each in (timestamp or envelope.event_ts, envelope.event_id) if each]
    return "/".join(known) or sha256(bytes(envelope.event)).hexdigest()
