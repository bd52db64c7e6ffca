"""Text and attachments of a WhatsApp message, by its type."""

from collections.abc import Iterator

from ingest.channels.fields import geo_url
from ingest.channels.meta.body import Name
from ingest.channels.meta.whatsapp.body import (
    EditedMessage,
    Interactive,
    Location,
    Media,
    Message,
    Order,
)
from ingest.events.payloads import Attachment


def text_of(message: Message) -> str | None:
    """Return what the person wrote or chose, byte for byte; the caption of media."""
    match message.type:
        case "text":
            return message.text.body if message.text else None
        case "button":
            return (message.button.text or message.button.payload) if message.button else None
        case "interactive":
            return _chosen(message.interactive) if message.interactive else None
        case "order":
            return (message.order.text or None) if message.order else None
    media = _media_of(message)
    return media.caption if media else None


def edited_text(message: EditedMessage) -> str | None:
    """Return the text, or the caption, after an edit."""
    if message.text is not None:
        return message.text.body
    media = message.image or message.video or message.document
    return media.caption if media else None


def attachments_of(message: Message, media_url: str) -> tuple[Attachment, ...]:
    """Return media, a place, contact cards and ordered products as attachments.

    `media_url`: the base of the media API. The URL that a webhook may have expires after minutes, so the
    attachment has the one by id, and the payload keeps the other.
    """
    media = _media_of(message)
    if media is not None:
        return (_file(media, media_url),)
    if message.type == "location" and message.location is not None:
        return (_place(message.location),)
    if message.type == "contacts":
        return tuple(
            Attachment(
                content_type="text/vcard", name=card.name.formatted_name if card.name else None
            )
            for card in message.contacts
        )
    if message.type == "order" and message.order is not None:
        return tuple(_products(message.order))
    return ()


def _media_of(message: Message) -> Media | None:
    by_type = {
        "image": message.image,
        "audio": message.audio,
        "video": message.video,
        "document": message.document,
        "sticker": message.sticker,
    }
    return by_type.get(message.type)


def _file(media: Media, media_url: str) -> Attachment:
    url = _by_id(media.id, media_url)
    return Attachment(url=url, content_type=media.mime_type, name=media.filename)


def _by_id(identifier: Name | None, media_url: str) -> str | None:
    return f"{media_url}/{identifier}" if identifier else None


def _place(location: Location) -> Attachment:
    """Return a place as a `geo:` URI (RFC 5870)."""
    url = geo_url(location.latitude, location.longitude)
    return Attachment(url=url, name=location.name or location.address)


def _products(order: Order) -> Iterator[Attachment]:
    for product in order.product_items:
        yield Attachment(name=f"{product.quantity} × {product.product_retailer_id}")


def _chosen(interactive: Interactive) -> str | None:
    reply = interactive.button_reply or interactive.list_reply or interactive.nfm_reply
    return (reply.title or reply.body) if reply else None
