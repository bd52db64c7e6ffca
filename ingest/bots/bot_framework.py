"""Bot Framework: activities and transcripts. https://github.com/microsoft/botframework-sdk, protocol-activity.md.

A record is an activity, or an object with `activities` (a transcript, Copilot Studio). An update of members is that
they joined or left; traces of a recognizer are what the bot understood; other activities become
`custom.botframework.…`.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any

from cachetools import LRUCache

from ingest.bots.base import Part, Reader, Surroundings, Unreadable, Unused
from ingest.bots.bot_event import (
    BotEvent,
    Conversation,
    Speaker,
    UnreadableRecordError,
    message_id_of,
)
from ingest.bots.bot_framework_accounts import speaker_of
from ingest.bots.chat_history import MIN_UNIQUE_ID
from ingest.bots.fields import (
    bounded,
    digest,
    items,
    mapping,
    moment,
    name_of,
    number,
    present,
    text,
)
from ingest.events.foreign_ids import to_id
from ingest.events.foreign_times import TimeFormatError

KNOWN_ACTIVITIES = 100_000
"""Messages of a file that a reply or an edit finds by a short id."""

_PLACED = frozenset({
    "type", "id", "timestamp", "localTimestamp", "conversation", "from", "recipient", "serviceUrl", "channelId",
    "text", "attachments", "replyToId",
})  # fmt: skip
"""Fields of an activity that have a column, or say how it was sent."""


class BotFrameworkLogger:
    """Reads Bot Framework's activities."""

    name = "botframework"
    title = "Bot Framework (activities, transcripts)"
    example: Mapping[str, Any] = {
        "type": "message",
        "id": "8519dbe0-e127-11ea",
        "timestamp": "2025-08-18T07:50:44.125Z",
        "channelId": "directline",
        "conversation": {"id": "83fa1400-e127"},
        "from": {"id": "ada", "name": "Ada", "role": "user"},
        "recipient": {"id": "helper", "role": "bot"},
        "text": "Where is my order?",
    }

    def open(self, surroundings: Surroundings) -> Reader:
        """Return a reader that remembers which activity has which id."""
        return _Activities(surroundings).read


class _Activities:
    """The activities of the records so far."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._messages: LRUCache[tuple[str, str], str] = LRUCache(KNOWN_ACTIVITIES)

    def read(self, record: Any) -> Iterator[Part]:
        """Yield the events of an activity, or of each in a transcript."""
        if not isinstance(record, Mapping):
            raise UnreadableRecordError("not an activity: an object is expected")
        inside = record.get("activities")
        if not isinstance(inside, list):
            if text(record, "type") is None:
                raise UnreadableRecordError("an activity without a type")
            yield from self._read(record, record, "activity")
            return
        for place, activity in enumerate(inside, 1):
            if isinstance(activity, Mapping) and text(activity, "type") is not None:
                yield from self._read(activity, record, f"activity {place}")
            else:
                yield Unreadable(f"activity {place}", "not an activity")

    def _read(
        self, activity: Mapping[str, Any], transcript: Mapping[str, Any], part: str
    ) -> Iterator[Part]:
        try:
            at = moment(activity, "timestamp", "localTimestamp")
        except TimeFormatError as error:
            yield Unreadable(part, str(error))
            return
        conversation = self._conversation(activity, transcript)
        yield from _Activity(activity, conversation, at, self._messages).parts()

    def _conversation(
        self, activity: Mapping[str, Any], transcript: Mapping[str, Any]
    ) -> Conversation:
        channel = name_of(text(activity, "channelId"), "botframework")
        if (given := self._surroundings.conversation_id) is not None:
            return Conversation(to_id(given), channel)
        named = text(mapping(activity, "conversation"), "id")
        if named is None:
            named = text(transcript, "conversationId", "conversationtranscriptid", "name", "id")
        return Conversation(to_id(f"botframework-{named or digest(transcript)}"), channel)


class _Activity:
    """One activity as events."""

    def __init__(
        self,
        activity: Mapping[str, Any],
        conversation: Conversation,
        at: datetime | None,
        messages: MutableMapping[tuple[str, str], str],
    ) -> None:
        self._activity = activity
        self._conversation = conversation
        self._at = at
        self._messages = messages
        self._key = self._own_key()

    def _own_key(self) -> str:
        """Return the key of the activity. A short id, such as a number, is unique only with its time."""
        own = text(self._activity, "id")
        if own is None:
            return f"{self._activity.get('timestamp')}/{digest(self._activity)}"
        return own if len(own) >= MIN_UNIQUE_ID else f"{own}/{self._activity.get('timestamp')}"

    def parts(self) -> Iterator[Part]:
        """Yield the events of the activity."""
        match text(self._activity, "type"):
            case "message":
                yield self._message()
            case "typing":
                yield Unused("typing is not stored")
            case "conversationUpdate" if self._members("membersAdded", "membersRemoved"):
                yield from self._membership()
            case "messageUpdate" if isinstance(self._activity.get("text"), str):
                edited = text(self._activity, "id", "replyToId")
                said = self._activity["text"]
                yield self._made("message.edited", message_id=self._message_id(edited), text=said)
            case "messageDelete":
                deleted = text(self._activity, "id", "replyToId")
                yield self._made("message.deleted", message_id=self._message_id(deleted))
            case "messageReaction" if text(self._activity, "replyToId"):
                yield from self._reactions()
            case "trace" if recognized := mapping(self._activity, "value", "recognizerResult"):
                yield self._understood(recognized)
            case "event" if text(self._activity, "name") == "handoff.initiate":
                yield self._handoff()
            case kind:
                yield self._other(kind or "activity")

    def _made(
        self, event_type: str, key: str = "", speaker: Speaker | None = None, **columns: Any
    ) -> BotEvent:
        return BotEvent(
            conversation=self._conversation,
            event_type=event_type,
            key=f"{self._key}{key}",
            at=self._at,
            speaker=speaker or self._speaker(),
            **columns,
        )

    def _message(self) -> BotEvent:
        said = self._activity.get("text")
        found = self._made(
            "message.created",
            text=said if isinstance(said, str) else "",
            in_reply_to=self._message_id(text(self._activity, "replyToId"), only_known=True),
            payload=present(attachments=self._attachments(), activity=self._rest()),
        )
        own = text(self._activity, "id")
        if own is not None:
            name = (self._conversation.conversation_id, own)
            self._messages[name] = message_id_of(self._conversation, found.key)
        return found

    def _message_id(self, activity_id: str | None, *, only_known: bool = False) -> str | None:
        """Return the message of an activity's id."""
        if activity_id is None:
            return None
        known = self._messages.get((self._conversation.conversation_id, activity_id))
        if known is not None or (only_known and len(activity_id) < MIN_UNIQUE_ID):
            return known
        return message_id_of(self._conversation, activity_id)

    def _attachments(self) -> list[dict[str, Any]]:
        return [
            present(
                content_type=text(each, "contentType"),
                url=text(each, "contentUrl"),
                name=text(each, "name"),
                content=bounded(each.get("content")),
            )
            for each in items(self._activity, "attachments")
            if isinstance(each, Mapping)
        ]

    def _rest(self) -> dict[str, Any]:
        rest = {name: value for name, value in self._activity.items() if name not in _PLACED}
        return {name: bounded(value) for name, value in present(**rest).items()}

    def _members(self, *fields: str) -> list[Mapping[str, Any]]:
        found = (each for name in fields for each in items(self._activity, name))
        return [each for each in found if isinstance(each, Mapping) and text(each, "id")]

    def _membership(self) -> Iterator[BotEvent]:
        for field, event_type in (
            ("membersAdded", "participant.joined"),
            ("membersRemoved", "participant.left"),
        ):
            for member in self._members(field):
                speaker = speaker_of(self._activity, member)
                name = present(attributes=present(name=speaker.name))
                payload = name if event_type == "participant.joined" else {}
                yield self._made(event_type, f"/{speaker.id}", speaker, payload=payload)

    def _reactions(self) -> Iterator[BotEvent]:
        message_id = self._message_id(text(self._activity, "replyToId"))
        for field, shown in (("reactionsAdded", True), ("reactionsRemoved", False)):
            for each in items(self._activity, field):
                kind = text(each, "type") if isinstance(each, Mapping) else None
                payload = {"reaction": (kind or "reaction")[:64] if shown else None}
                yield self._made(
                    "message.reacted", f"/{field}/{kind}", message_id=message_id, payload=payload
                )

    def _understood(self, recognized: Mapping[str, Any]) -> BotEvent:
        """Return what a recognizer found: the intent with the highest score."""
        scores = {
            name: number(each, "score") or 0.0
            for name, each in mapping(recognized, "intents").items()
            if isinstance(each, Mapping)
        }
        best = max(scores, key=lambda name: scores[name], default=None)
        nlu = present(
            intent=best,
            confidence=None if best is None else scores[best],
            is_fallback=True if best == "None" else None,
        )
        return self._made(
            "bot.turn_completed",
            visibility="internal",
            payload=present(nlu=nlu, activity=self._rest()),
        )

    def _handoff(self) -> BotEvent:
        reason = text(mapping(self._activity, "value"), "reason", "Skill")
        return self._made(
            "handoff.requested", handoff_id=to_id(self._key), payload=present(reason=reason)
        )

    def _other(self, kind: str) -> BotEvent:
        return self._made(
            f"custom.botframework.{name_of(_snake(kind), 'activity')}",
            visibility="internal",
            text=text(self._activity, "text"),
            payload=self._rest(),
        )

    def _speaker(self) -> Speaker | None:
        sender = mapping(self._activity, "from")
        return speaker_of(self._activity, sender) if text(sender, "id", "name") else None


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
