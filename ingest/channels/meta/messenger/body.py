"""The parts of a Messenger or Instagram webhook, as Meta's «Webhook Events Reference» documents them."""

from msgspec import Raw, Struct

from ingest.channels.meta.body import Name


class Entry(Struct):
    """The events of one page or professional account, `id`. Another app has the thread of `standby` events."""

    id: Name | None = None
    messaging: list[Raw] | None = None
    standby: list[Raw] | None = None
    changes: list[Raw] | None = None


class Change(Struct):
    """An event in the form of «Instagram API with Instagram Login», or of a page's feed."""

    field: str
    value: Raw


class Party(Struct):
    """Who sent or gets an event; `user_ref` before a person has an id («checkbox plugin»)."""

    id: Name | None = None
    user_ref: Name | None = None


class AttachmentPayload(Struct):
    """The content of an attachment."""

    url: str | None = None
    title: str | None = None
    coordinates: "Coordinates | None" = None


class Coordinates(Struct):
    """A place."""

    lat: float
    long: float


class MediaAttachment(Struct):
    """An attachment; a link's preview (`fallback`) has `url` and `title` outside of its payload."""

    type: str = "file"
    payload: AttachmentPayload | str | None = None
    url: str | None = None
    title: str | None = None


class ReplyTo(Struct):
    """The message, or the story, that is answered."""

    mid: Name | None = None


class Message(Struct):
    """A message, an echo or a deletion."""

    mid: Name | None = None
    text: str | None = None
    attachments: list[MediaAttachment] | None = None
    reply_to: ReplyTo | None = None
    metadata: str | None = None
    is_echo: bool | None = None
    is_deleted: bool | None = None


class Delivery(Struct):
    """Which messages reached the person: by id, and all up to `watermark`, in milliseconds."""

    mids: list[Name] | None = None
    watermark: Name | None = None


class Read(Struct):
    """What the person read: all up to `watermark` (Messenger), or one message (Instagram)."""

    watermark: Name | None = None
    mid: Name | None = None


class Postback(Struct):
    """A tap on a button."""

    mid: Name | None = None
    title: str | None = None
    payload: str | None = None


class MessageEdit(Struct):
    """The new text of a message."""

    mid: Name
    text: str | None = None
    num_edit: Name | None = None


class Reaction(Struct):
    """A reaction to a message, or its removal."""

    mid: Name
    action: str = "react"
    reaction: str | None = None
    emoji: str | None = None


class PriorMessage(Struct):
    """The plugin in which the person wrote before they had an id."""

    identifier: Name | None = None


class Optin(Struct):
    """An agreement to get messages."""

    user_ref: Name | None = None


class Event(Struct):
    """One event; which of its fields is given says what happened."""

    sender: Party | None = None
    recipient: Party | None = None
    timestamp: Name | None = None
    message: Message | None = None
    delivery: Delivery | None = None
    read: Read | None = None
    postback: Postback | None = None
    message_edit: MessageEdit | None = None
    reaction: Reaction | None = None
    prior_message: PriorMessage | None = None
    optin: Optin | None = None
