"""WhatsApp Cloud webhooks as items: every entry, change, message, status and echo of a body.

Source: Meta's «Webhooks reference: messages», «smb_message_echoes», «status», «system» (August 2026).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from msgspec import Raw, Struct

from ingest.channels import addresses
from ingest.channels.base import (
    AddressChangeItem,
    DeletionItem,
    EditItem,
    Inbound,
    MessageItem,
    Person,
    ReactionItem,
    ReceiptItem,
    UnreadableItem,
)
from ingest.channels.meta.body import (
    Name,
    UnreadablePartError,
    decode,
    decode_fields,
    each,
    microseconds,
    other,
    rest,
)
from ingest.channels.meta.whatsapp.body import (
    Change,
    Contact,
    Error,
    Message,
    Status,
    System,
    UserIdUpdate,
    Value,
)
from ingest.channels.meta.whatsapp.content import attachments_of, edited_text, text_of
from ingest.channels.meta.whatsapp.people import (
    GROUP,
    Ids,
    changed_ids,
    customer_of_echo,
    person,
    recipient_of,
    sender_of,
)
from ingest.events.types import ReceiptStatus

_FIELDS = frozenset({"messages", "smb_message_echoes", "message_echoes", "user_id_update"})
_FRAME = frozenset({"messaging_product", "metadata", "contacts"})
_LISTS = frozenset({"messages", "statuses", "errors", "message_echoes", "user_id_update"})
_STATUSES: dict[str, ReceiptStatus] = {
    "sent": "submitted",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
_MODELLED = frozenset(
    (
        *("id", "timestamp", "text", "from", "from_user_id", "from_parent_user_id"),
        *("to", "to_user_id", "to_parent_user_id", "group_id"),
    )
)
"""Fields of a message that its item has; the others are kept in the payload."""

Author = Literal["customer", "agent"]
T = TypeVar("T")


class _Entry(Struct):
    changes: list[Raw] = []


class _Scene(Struct, frozen=True):
    """What the items of one change share."""

    media_url: str
    own_number: Name | None
    contacts: tuple[Contact, ...]
    people: tuple[Ids, ...]

    def person(self, ids: Ids) -> Person | None:
        return person(ids, self.contacts, self.people)


def read_entry(media_url: str, entry: Raw) -> Iterator[Inbound]:
    """Yield the items of an entry. `media_url`: the base of the URLs of media."""
    yield from each(decode(entry, _Entry).changes, partial(_change, media_url))


def _change(media_url: str, part: Raw) -> Iterator[Inbound]:
    change = decode(part, Change)
    if change.field not in _FIELDS:
        yield other(change.field, change.value)
        return
    value = decode(change.value, Value)
    contacts, broken = _contacts(value.contacts)
    yield from broken
    scene = _scene(media_url, value, contacts)
    yield from each(value.messages, partial(_message, scene))
    yield from each(value.message_echoes, partial(_echo, scene))
    yield from each(value.statuses, partial(_status, scene))
    yield from each(value.user_id_update, _user_id_update)
    yield from each(value.errors, partial(_plain, "error"))
    fields = decode(change.value, dict[str, Raw])
    for name in fields.keys() - _FRAME - _LISTS:
        yield other(name, fields[name])


def _plain(kind: str, part: Raw) -> Iterator[Inbound]:
    yield other(kind, part)


def _contacts(parts: Sequence[Raw]) -> tuple[tuple[Contact, ...], list[Inbound]]:
    contacts: list[Contact] = []
    broken: list[Inbound] = []
    for part in parts:
        try:
            contacts.append(decode(part, Contact))
        except UnreadablePartError as error:
            broken.append(UnreadableItem(reason=str(error), raw=bytes(part)))
    return tuple(contacts), broken


def _scene(media_url: str, value: Value, contacts: tuple[Contact, ...]) -> _Scene:
    number = value.metadata.display_phone_number if value.metadata else None
    people = (
        *(sender_of(each) for each in _readable(value.messages, Message)),
        *(customer_of_echo(each, number) for each in _readable(value.message_echoes, Message)),
        *(recipient_of(each) for each in _readable(value.statuses, Status)),
    )
    return _Scene(media_url, number, contacts, people)


def _readable(parts: Iterable[Raw], kind: type[T]) -> Iterator[T]:
    for part in parts:
        try:
            yield decode(part, kind)
        except UnreadablePartError:
            continue


def _message(scene: _Scene, part: Raw) -> Iterator[Inbound]:
    message = decode(part, Message)
    if message.type == "system" and message.system is not None:
        yield from _system(scene, part, message, message.system)
    else:
        yield from _items(scene, part, message, sender_of(message), "customer")


def _echo(scene: _Scene, part: Raw) -> Iterator[Inbound]:
    """Read a message that a person of the business sent from the WhatsApp Business app."""
    message = decode(part, Message)
    customer = customer_of_echo(message, scene.own_number)
    yield from _items(scene, part, message, customer, "agent")


def _items(
    scene: _Scene, part: Raw, message: Message, customer: Ids, author: Author
) -> Iterator[Inbound]:
    who = scene.person(customer)
    if not message.id:
        raise UnreadablePartError("a message without an id")
    if who is None:
        raise UnreadablePartError("the message names no customer")
    frame: dict[str, Any] = {
        "provider_id": str(message.id),
        "person": who,
        "happened_at": microseconds(message.timestamp, "seconds"),
        "thread": (f"{GROUP}{message.group_id}",) if message.group_id else (),
    }
    if message.type == "reaction" and message.reaction is not None:
        target = str(message.reaction.message_id)
        emoji = message.reaction.emoji or None
        yield ReactionItem(**frame, message=target, reaction=emoji, author=author)
    elif message.type == "revoke" and message.revoke is not None:
        deleted = str(message.revoke.original_message_id)
        yield DeletionItem(**frame, message=deleted, author=author)
    elif message.type == "edit" and message.edit is not None:
        yield from _edit(part, message, frame, author)
    else:
        yield from _content(scene, part, message, frame, author)


def _content(
    scene: _Scene, part: Raw, message: Message, frame: dict[str, Any], author: Author
) -> Iterator[Inbound]:
    text = text_of(message)
    attachments = attachments_of(message, scene.media_url)
    if text is None and not attachments:
        yield _other(part, message, frame["person"])
        return
    answered = message.context.id if message.context else None
    yield MessageItem(
        **frame,
        author=author,
        text=text,
        attachments=attachments,
        in_reply_to=str(answered) if answered else None,
        payload={"whatsapp": rest(decode_fields(part), _MODELLED)},
    )


def _edit(part: Raw, message: Message, frame: dict[str, Any], author: Author) -> Iterator[Inbound]:
    edit = message.edit
    text = edited_text(edit.message) if edit and edit.message else None
    if edit is None or text is None:
        yield _other(part, message, frame["person"])
    else:
        edited = str(edit.original_message_id)
        yield EditItem(**frame, message=edited, text=text, author=author)


def _other(part: Raw, message: Message, who: Person | None) -> Inbound:
    moment = microseconds(message.timestamp, "seconds")
    return other(message.type, part, provider_id=message.id, person=who, happened_at=moment)


def _system(scene: _Scene, part: Raw, message: Message, system: System) -> Iterator[Inbound]:
    """Yield an item for each id of the person that changed; without any, the message as it is."""
    moment = microseconds(message.timestamp, "seconds")
    changes = list(_renamings(changed_ids(message, system), str(message.id), moment))
    new = Ids(system.wa_id or system.new_wa_id, system.user_id, system.parent_user_id)
    who = scene.person(sender_of(message)) or scene.person(new)
    yield from changes or [_other(part, message, who)]


def _user_id_update(part: Raw) -> Iterator[Inbound]:
    update = decode(part, UserIdUpdate)
    both = (each for each in (update.user_id, update.parent_user_id) if each is not None)
    renamed = [(each.previous, each.current) for each in both]
    moment = microseconds(update.timestamp, "seconds")
    items = list(_renamings(renamed, f"user_id_update:{update.timestamp}", moment))
    yield from items or [other("user_id_update", part)]


def _renamings(
    renamed: Iterable[tuple[Name | None, Name | None]], source: str, moment: int | None
) -> Iterator[Inbound]:
    """Yield an item for each id that became another one.

    The person is named by what they are called between two changes: new where it is done, old where not.
    """
    pairs = [(str(old), str(new)) for old, new in renamed if old and new and str(old) != str(new)]
    for done, (old, new) in enumerate(pairs):
        names = [pair[1] for pair in pairs[:done]] + [pair[0] for pair in pairs[done:]]
        yield AddressChangeItem(
            provider_id=f"{source}:{old}:{new}",
            person=Person(addresses=tuple(addresses.whatsapp(name) for name in names)),
            happened_at=moment,
            old=addresses.whatsapp(old),
            new=addresses.whatsapp(new),
        )


def _status(scene: _Scene, part: Raw) -> Iterator[Inbound]:
    status = decode(part, Status)
    customer = recipient_of(status)
    who = scene.person(customer)
    moment = microseconds(status.timestamp, "seconds")
    state = _STATUSES.get(status.status)
    if state is None:
        yield other(f"status_{status.status}", part, person=who, happened_at=moment)
        return
    is_group = status.recipient_type == "group"
    member = f":{customer.user or customer.number or ''}" if is_group else ""
    error = status.errors[0] if status.errors else Error()
    yield ReceiptItem(
        provider_id=f"{status.id}:{status.status}:{status.timestamp}{member}",
        person=who,
        happened_at=moment,
        thread=(f"{GROUP}{status.recipient_id}",) if is_group and status.recipient_id else (),
        message=str(status.id),
        status=state,
        code=str(error.code) if error.code is not None else None,
        reason=error.title or (error.error_data.details if error.error_data else None),
        client_reference=status.biz_opaque_callback_data,
    )
