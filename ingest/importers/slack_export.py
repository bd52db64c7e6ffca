"""A Slack workspace export, as a folder or as a zip: `users.json`, and `<channel>/<day>.json`.

A channel is a conversation. Threads are answers to their first message; edits have their time; reactions have
none, so they stay in the payload. https://slack.com/help/articles/220556107
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.events import foreign_times as times
from ingest.importers.archive import Files, open_files
from ingest.importers.base import (
    NO_OPTIONS,
    Damage,
    ImportedEvent,
    ImportOptions,
    Item,
    Skipped,
)
from ingest.importers.json_files import parse_document
from ingest.importers.transcript import Person, Roles, Transcript, attachments

MESSAGES = frozenset(
    {None, "bot_message", "file_comment", "file_share", "me_message", "reply_broadcast", "thread_broadcast"}
)  # fmt: skip
"""Subtypes that a person or a bot wrote. All others are notices of Slack."""

LISTS = ("channels.json", "groups.json", "dms.json", "mpims.json")
_KEPT = (
    "subtype",
    "reactions",
    "attachments",
    "blocks",
    "bot_id",
    "username",
    "edited",
    "reply_count",
)


class SlackImporter:
    """Imports workspace exports."""

    name = "slack"
    description = "Import a Slack workspace export."
    file_help = "the export, a folder or .zip"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the messages and notices of each channel, in order of time."""
        files = open_files(path)
        if isinstance(files, Damage):
            yield files
            return
        roles = Roles(options)
        names: list[str] = []
        for name in files.names():
            if isinstance(name, Damage):
                yield name
            else:
                names.append(name)
        workspace = _Workspace(files, roles)
        yield from workspace.load(names)
        yield from workspace.messages(names)
        yield from roles.ambiguities()


@dataclass
class _Workspace:
    files: Files
    roles: Roles
    people: dict[str, Person] = field(default_factory=dict)
    channels: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def load(self, names: list[str]) -> Iterator[Item]:
        """Read the lists of people and channels."""
        for name in ("users.json", *LISTS):
            if name not in names:
                continue
            listed = _read_list(self.files, name)
            if isinstance(listed, Damage):
                yield listed
                continue
            for each in listed:
                if isinstance(each, dict) and isinstance(each.get("id"), str):
                    self._add(each, is_person=name == "users.json")

    def _add(self, each: Mapping[str, Any], *, is_person: bool) -> None:
        if is_person:
            self.people[each["id"]] = _person(each)
        else:
            # A direct message has no name, and its folder is its id.
            self.channels[str(each.get("name") or each["id"])] = each

    def messages(self, names: list[str]) -> Iterator[Item]:
        """Yield the events of all channels."""
        channel: _Channel | None = None
        for name in names:
            folder, slash, day = name.rpartition("/")
            if not slash or not day.endswith(".json"):
                if name not in ("users.json", *LISTS):
                    yield Skipped(name, f"not a day of a channel: {name}")
                continue
            if channel is None or channel.folder != folder:
                if channel is not None:
                    yield from channel.edits(None)
                channel = _Channel(folder, self._transcript(folder), self.people)
            yield from channel.day(name, _read_list(self.files, name))
        if channel is not None:
            yield from channel.edits(None)

    def _transcript(self, folder: str) -> Transcript:
        name = folder.rpartition("/")[2]
        entry = self.channels.get(name, {})
        return Transcript(
            "slack", str(entry.get("id") or name), "slack", self.roles, payload={"subject": name[:512]}
        )  # fmt: skip


def _read_list(files: Files, name: str) -> list[Any] | Damage:
    content = files.read(name)
    document = content if isinstance(content, Damage) else parse_document(content)
    if isinstance(document, Damage):
        return (
            document
            if document.place == name
            else Damage(f"{name}, {document.place}", document.reason)
        )
    return document if isinstance(document, list) else Damage(name, "not a list")


def _person(user: Mapping[str, Any]) -> Person:
    profile = user.get("profile")
    names = profile if isinstance(profile, dict) else {}
    name = names.get("real_name") or user.get("real_name") or user.get("name")
    is_bot = user.get("is_bot") or user["id"] == "USLACKBOT"
    return Person(user["id"], str(name) if name else None, "bot" if is_bot else None)


@dataclass
class _Channel:
    folder: str
    transcript: Transcript
    people: Mapping[str, Person]
    _pending: list[tuple[datetime, int, Mapping[str, Any], str]] = field(default_factory=list)
    _number: int = 0

    def day(self, name: str, messages: list[Any] | Damage) -> Iterator[Item]:
        """Yield the events of one file, in order of time."""
        if isinstance(messages, Damage):
            yield messages
            return
        dated: list[tuple[datetime, int, Mapping[str, Any]]] = []
        for number, message in enumerate(messages, 1):
            try:
                dated.append((_time(message), number, message))
            except times.TimeFormatError as error:
                yield Damage(f"{name}, message {number}", str(error))
        for at, number, message in sorted(dated, key=lambda each: each[:2]):
            yield from self.edits(at)
            yield from self._events(message, at, f"{name}, message {number}")

    def edits(self, until: datetime | None) -> Iterator[ImportedEvent]:
        """Yield the edits that happened before `until`."""
        while self._pending and (until is None or self._pending[0][0] < until):
            at, _, message, place = heapq.heappop(self._pending)
            key = message["ts"]
            yield from self.transcript.event(
                "message.edited", f"{key}/{message['edited']['ts']}", at, place,
                self._author(message["edited"]), text=str(message.get("text") or ""),
                message_id=self.transcript.message_id(key),
            )  # fmt: skip

    def _events(self, message: Mapping[str, Any], at: datetime, place: str) -> Iterator[Item]:
        key, subtype = message["ts"], message.get("subtype")
        author, text = self._author(message), str(message.get("text") or "")
        if subtype in {"channel_join", "group_join"}:
            yield from self.transcript.joined(key, author, at, place)
        elif subtype in {"channel_leave", "group_leave"}:
            yield from self.transcript.left(key, author, at, place)
        elif subtype in MESSAGES:
            yield from self._message(message, author, text, at, place)
        else:
            yield from self.transcript.event(
                "custom.slack_notice", key, at, place, author,
                text=text, payload={"subtype": subtype}, visibility="internal",
            )  # fmt: skip

    def _message(
        self, message: Mapping[str, Any], author: Person, text: str, at: datetime, place: str
    ) -> Iterator[Item]:
        key, thread = message["ts"], message.get("thread_ts")
        payload = {name: message[name] for name in _KEPT if message.get(name)}
        if "attachments" in payload:
            payload["unfurled"] = payload.pop("attachments")
        payload |= attachments(_files(message))
        is_reply = isinstance(thread, str) and thread != key
        yield from self.transcript.message(
            key, author, text, at, place,
            in_reply_to=self.transcript.message_id(str(thread)) if is_reply else None,
            payload=payload or None,
        )  # fmt: skip
        try:
            edited_at = _time(message.get("edited"))
        except times.TimeFormatError:
            return
        self._number += 1
        heapq.heappush(self._pending, (max(edited_at, at), self._number, message, place))

    def _author(self, message: Mapping[str, Any]) -> Person:
        """Return who wrote: a user, a commenter of a file, or a bot without a user."""
        comment = message.get("comment")
        user = message.get("user") or (comment.get("user") if isinstance(comment, dict) else None)
        if isinstance(user, str):
            return self.people.get(user) or Person(user)
        bot = message.get("bot_id") or message.get("username") or "unknown"
        name = message.get("username")
        return Person(str(bot), str(name) if name else None, "bot")


def _time(message: Any) -> datetime:
    """Return the time of a message, whose `ts` is also its id. Raises TimeFormatError."""
    ts = message.get("ts") if isinstance(message, dict) else None
    if not isinstance(ts, str):
        raise times.TimeFormatError("no ts")
    return times.read_time(ts)


def _files(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = message.get("files")
    for each in (*(listed if isinstance(listed, list) else ()), message.get("file")):
        if isinstance(each, dict):
            fields = {
                "name": each.get("name"),
                "url": each.get("url_private"),
                "content_type": each.get("mimetype"),
                "size": each.get("size"),
            }
            yield {
                name: value
                for name, value in fields.items()
                if isinstance(value, int if name == "size" else str)
            }
