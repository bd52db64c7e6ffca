"""Webhooks of Messenger and Instagram as items: every event of every entry.

Source: Meta's «Messenger Platform: Webhook Events Reference» (messages, message_echoes, message_deliveries,
message_reads, message_edits, message_reactions, messaging_postbacks, messaging_handovers, standby) and «Instagram
Platform: Webhooks».
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

from msgspec import Raw, Struct

from ingest.channels import addresses
from ingest.channels.base import (
    Address,
    DeletionItem,
    EditItem,
    Inbound,
    MessageItem,
    Person,
    ReactionItem,
    ReceiptItem,
    WatermarkItem,
)
from ingest.channels.fields import geo_url
from ingest.channels.meta.body import (
    Name,
    UnreadablePartError,
    decode,
    decode_fields,
    decode_tree,
    each,
    microseconds,
    other,
    rest,
)
from ingest.channels.meta.messenger.body import (
    AttachmentPayload,
    Change,
    Entry,
    Event,
    MediaAttachment,
    Party,
)
from ingest.events.payloads import Attachment

AddressOf = Callable[[str | int, str], Address]
"""The address of a person's id within a page or an account."""

Mark = Literal["delivered", "read"]
"""The states that Meta reports by message and up to a time."""

_FRAME = frozenset({"sender", "recipient", "timestamp", "prior_message"})
_MODELLED = frozenset({"mid", "text", "is_echo", "metadata"})
"""Fields of a message that its item has; the others are kept in the payload."""


class _Page(Struct, frozen=True):
    """What the events of one entry share. `own_id`: the page or the professional account."""

    address_of: AddressOf
    own_id: str
    is_standby: bool = False
    unit: str = "milliseconds"


class _Scene(Struct, frozen=True):
    """An event with what its items need."""

    page: _Page
    event: Event
    part: Raw
    person: Person | None
    moment: int | None

    def frame(self, provider_id: str) -> dict[str, Any]:
        return {"provider_id": provider_id, "person": self.person, "happened_at": self.moment}


def read_entry(address_of: AddressOf, part: Raw) -> Iterator[Inbound]:
    """Yield the items of an entry."""
    entry = decode(part, Entry)
    page = _Page(address_of, str(entry.id or ""))
    standby = _Page(address_of, page.own_id, is_standby=True)
    yield from each(entry.messaging or (), partial(_event, page))
    yield from each(entry.standby or (), partial(_event, standby))
    yield from each(entry.changes or (), partial(_change, page))


def _change(page: _Page, part: Raw) -> Iterator[Inbound]:
    """Read an event that comes as a change: the same fields, but its time is in seconds."""
    change = decode(part, Change)
    value = decode_tree(change.value)
    if isinstance(value, dict) and {"sender", "recipient"} <= value.keys():
        seconds = _Page(page.address_of, page.own_id, unit="seconds")
        yield from _event(seconds, change.value)
    else:
        yield other(change.field, change.value)


def _event(page: _Page, part: Raw) -> Iterator[Inbound]:
    event = decode(part, Event)
    moment = microseconds(event.timestamp, page.unit)
    scene = _Scene(page, event, part, _person(page, event), moment)
    for name, read in _READERS.items():
        if getattr(event, name) is not None:
            yield from read(scene)
            return
    yield _other(scene)


def _other(scene: _Scene) -> Inbound:
    fields = decode_fields(scene.part)
    kinds = sorted(key for key in fields.keys() - _FRAME if fields[key] not in (None, False))
    kind = kinds[0] if kinds else "event"
    mid = scene.event.message.mid if scene.event.message else None
    return other(kind, scene.part, provider_id=mid, person=scene.person, happened_at=scene.moment)


def _person(page: _Page, event: Event) -> Person | None:
    """Return the customer: the side that is not the page; of an echo, the recipient."""
    is_echo = event.message is not None and event.message.is_echo
    sides = [event.sender or Party(), event.recipient or Party()]
    if is_echo:
        sides.reverse()
    customer, own = sides
    if str(customer.id) == page.own_id and own.id and str(own.id) != page.own_id:
        customer = own
    found = [page.address_of(customer.id, page.own_id)] if customer.id else []
    references = (
        customer.user_ref,
        event.prior_message.identifier if event.prior_message else None,
        event.optin.user_ref if event.optin else None,
    )
    found += [addresses.external_id(each, page.own_id) for each in references if each]
    return Person(addresses=tuple(dict.fromkeys(found))) if found else None


def _message(scene: _Scene) -> Iterator[Inbound]:
    message = scene.event.message
    if message is None or not message.mid:
        raise UnreadablePartError("a message without an id")
    if scene.person is None:
        raise UnreadablePartError("the message names no customer")
    mid = str(message.mid)
    author: Literal["agent", "customer"] = "agent" if message.is_echo else "customer"
    if message.is_deleted:
        yield DeletionItem(**scene.frame(f"{mid}:deleted"), message=mid, author=author)
        return
    attachments = tuple(_attachment(each) for each in message.attachments or ())
    if message.text is None and not attachments:
        yield _other(scene)
        return
    answered = message.reply_to.mid if message.reply_to else None
    yield MessageItem(
        **scene.frame(mid),
        author=author,
        text=message.text,
        attachments=attachments,
        in_reply_to=str(answered) if answered else None,
        client_reference=message.metadata if message.is_echo else None,
        payload=_payload(scene, "message"),
    )


def _payload(scene: _Scene, name: str) -> dict[str, Any]:
    fields = decode_fields(scene.part)
    kept = rest(fields[name], _MODELLED)
    if "prior_message" in fields:
        kept["prior_message"] = fields["prior_message"]
    if scene.page.is_standby:
        kept["is_standby"] = True
    return {"meta": kept} if kept else {}


def _attachment(attachment: MediaAttachment) -> Attachment:
    payload = attachment.payload
    if not isinstance(payload, AttachmentPayload):
        return Attachment(url=attachment.url, name=attachment.title)
    place = payload.coordinates
    url = payload.url or attachment.url or (geo_url(place.lat, place.long) if place else None)
    return Attachment(url=url, name=attachment.title or payload.title)


def _delivery(scene: _Scene) -> Iterator[Inbound]:
    delivery = scene.event.delivery
    for mid in (delivery.mids if delivery else None) or ():
        yield _receipt(scene, str(mid), "delivered")
    if delivery and delivery.watermark is not None:
        yield _watermark(scene, "delivered", delivery.watermark)


def _read(scene: _Scene) -> Iterator[Inbound]:
    read = scene.event.read
    if read and read.mid is not None:
        yield _receipt(scene, str(read.mid), "read")
    elif read and read.watermark is not None:
        yield _watermark(scene, "read", read.watermark)
    else:
        yield _other(scene)


def _receipt(scene: _Scene, mid: str, status: Mark) -> ReceiptItem:
    frame = scene.frame(f"{mid}:{status}")
    return ReceiptItem(**frame, message=mid, status=status, is_also_marked=True)


def _watermark(scene: _Scene, status: Mark, watermark: Name) -> Inbound:
    until = microseconds(watermark, "milliseconds")
    if until is None or scene.person is None:
        raise UnreadablePartError("a watermark without a time or a person")
    who = scene.person.addresses[0].value
    frame = scene.frame(f"{status}:{who}:{watermark}")
    return WatermarkItem(**frame, status=status, until=until)


def _postback(scene: _Scene) -> Iterator[Inbound]:
    """Read a tap on a button as a message with the button's title. Older ones have no id of their own."""
    postback = scene.event.postback
    if postback is None or scene.person is None:
        raise UnreadablePartError("the postback names no customer")
    who = scene.person.addresses[0].value
    text = postback.title or postback.payload
    if text is None:
        yield _other(scene)
        return
    yield MessageItem(
        **scene.frame(str(postback.mid or f"postback:{who}:{scene.event.timestamp}")),
        text=text,
        payload=_payload(scene, "postback"),
    )


def _edit(scene: _Scene) -> Iterator[Inbound]:
    edit = scene.event.message_edit
    if edit is None or edit.text is None:
        yield _other(scene)
        return
    number = edit.num_edit if edit.num_edit is not None else scene.event.timestamp
    frame = scene.frame(f"{edit.mid}:edit:{number}")
    yield EditItem(**frame, message=str(edit.mid), text=edit.text)


def _reaction(scene: _Scene) -> Iterator[Inbound]:
    reaction = scene.event.reaction
    if reaction is None or scene.person is None:
        raise UnreadablePartError("the reaction names no customer")
    who = scene.person.addresses[0].value
    is_removed = reaction.action == "unreact"
    yield ReactionItem(
        **scene.frame(f"{reaction.mid}:reaction:{who}:{scene.event.timestamp}"),
        message=str(reaction.mid),
        reaction=None if is_removed else reaction.emoji or reaction.reaction,
    )


_READERS: dict[str, Callable[[_Scene], Iterator[Inbound]]] = {
    "message": _message,
    "postback": _postback,
    "delivery": _delivery,
    "read": _read,
    "message_edit": _edit,
    "reaction": _reaction,
}
