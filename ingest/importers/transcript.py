"""Builds the events of one imported conversation, with ids that a second import derives again."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid5

from ingest.contract import NAMESPACE, Role
from ingest.events.foreign_ids import to_id
from ingest.importers.base import Ambiguity, ImportedEvent, ImportOptions

MAX_NAMES = 20
"""Names that an ambiguity lists."""


@dataclass(frozen=True)
class Person:
    """A sender: the id in the file, the name if there is one, and the role if the file says it."""

    id: str
    name: str | None = None
    role: Role | None = None


class Roles:
    """Decides the role of each sender, and remembers whose role is a guess."""

    def __init__(self, options: ImportOptions) -> None:
        self._roles = options.roles
        self._guessed: dict[str, None] = {}

    def of(self, person: Person) -> Role:
        """Return the role that the user states, or else the file, or else customer."""
        for name in (person.id, person.name):
            if name is not None and name in self._roles:
                return self._roles[name]
        if person.role is not None:
            return person.role
        if "*" in self._roles:
            return self._roles["*"]
        self._guessed[person.name or person.id] = None
        return "customer"

    def ambiguities(self) -> Iterator[Ambiguity]:
        """Yield the question about all guessed roles, if there are any."""
        if self._guessed:
            yield Ambiguity(
                f"the file does not say the role of {len(self._guessed):,} senders",
                "they are customers",
                "--role NAME=agent, --role '*=agent'",
                tuple(self._guessed)[:MAX_NAMES],
            )


@dataclass
class Transcript:
    """One conversation. Its creation and its participants' joining come before their first event."""

    source: str
    key: str
    channel: str
    roles: Roles
    conversation_id: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    contact_id: str | None = None

    def __post_init__(self) -> None:
        self.conversation_id = self.conversation_id or to_id(f"{self.source}-{self.key}")
        self._present: set[str] = set()
        self._is_created = False
        # Equal messages, at one time only: a chat is read forward, so memory stays flat.
        self._repeats: tuple[str, dict[str, int]] = ("", {})

    def message(
        self,
        key: str,
        person: Person,
        text: str | None,
        at: datetime | None,
        place: str,
        **fields: Any,
    ) -> Iterator[ImportedEvent]:
        """Yield a message; `fields` are further columns of the event."""
        fields.setdefault("message_id", self.message_id(key))
        yield from self.event("message.created", key, at, place, person, text=text, **fields)

    def joined(
        self, key: str, person: Person, at: datetime | None, place: str
    ) -> Iterator[ImportedEvent]:
        """Yield that a person joined."""
        yield from self._created(at, place)
        self._present.add(person.id)
        payload = {"attributes": {"name": person.name}} if person.name else None
        yield self._made("participant.joined", key, at, place, person, payload=payload)

    def left(
        self, key: str, person: Person, at: datetime | None, place: str
    ) -> Iterator[ImportedEvent]:
        """Yield that a person left."""
        yield from self.event("participant.left", key, at, place, person)
        self._present.discard(person.id)

    def event(
        self,
        event_type: str,
        key: str,
        at: datetime | None,
        place: str,
        person: Person | None = None,
        **fields: Any,
    ) -> Iterator[ImportedEvent]:
        """Yield an event of any type; before it the creation, and that its person joined."""
        yield from self._created(at, place)
        if person is not None and person.id not in self._present:
            yield from self.joined(f"before/{key}", person, at, place)
        yield self._made(event_type, key, at, place, person, **fields)

    def message_id(self, key: str) -> str:
        """Return the id of the message with this key."""
        return to_id(f"{self.conversation_id}-{key}")

    def content_key(self, time: str, sender: str, text: str) -> str:
        """Return a key of a message that has no id: equal ones at one time are numbered.

        A later export of the same chat, which starts or ends elsewhere, has the same keys.
        """
        if self._repeats[0] != time:
            self._repeats = (time, {})
        digest = hashlib.sha256(f"{time}\0{sender}\0{text}".encode("utf-8", "replace"))
        name = digest.hexdigest()[:32]
        number = self._repeats[1].get(name, 0)
        self._repeats[1][name] = number + 1
        return f"{name}-{number}" if number else name

    def _created(self, at: datetime | None, place: str) -> Iterator[ImportedEvent]:
        if self._is_created:
            return
        self._is_created = True
        yield self._made(
            "conversation.created",
            "created",
            at,
            place,
            None,
            channel=self.channel,
            contact_id=self.contact_id,
            payload=dict(self.payload) or None,
        )

    def _made(
        self,
        event_type: str,
        key: str,
        at: datetime | None,
        place: str,
        person: Person | None,
        **fields: Any,
    ) -> ImportedEvent:
        iso = None if at is None else at.isoformat()
        event = {
            "event_id": str(uuid5(NAMESPACE, f"{self.conversation_id}/{event_type}/{key}")),
            "event_type": event_type,
            "conversation_id": self.conversation_id,
            "occurred_at": iso,
            "happened_at": iso,
            **fields,
        }
        if person is not None:
            event["participant_id"] = to_id(f"{self.source}-{person.id}")
            event["participant_role"] = self.roles.of(person)
        return ImportedEvent(
            {name: each for name, each in event.items() if each is not None}, place
        )


def attachments(names: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the payload of a message with these files, or nothing."""
    found = [dict(each) for each in names]
    return {"attachments": found} if found else {}
