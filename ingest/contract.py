"""THE DOOR: what an event is, where it lies on disk, and how its place is proven.

Everything outside `ingest` reads the log through this module alone. Frozen: a change of a
column, a path or a manifest field is a new `FORMAT_VERSION` and an upcast on read.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa

FORMAT_VERSION = 1
"""Version of columns, paths and manifest. Frozen: 1 means what this file says."""

NAMESPACE = UUID("6f1f3e0a-2b7c-5d6e-9c55-0c0a1a6be001")
"""Root of every derived (UUIDv5) id. Frozen: another value would make every redelivery new."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Role = Literal["customer", "bot", "agent", "system"]
Visibility = Literal["public", "internal"]
Stream = Literal["conversation", "contact", "review", "audit", "privacy", "delivery", "ephemeral"]
Writer = Literal["client", "dashboard", "server"]


@dataclass(frozen=True)
class Column:
    """One column of an event: the same name in JSON, Parquet, SQL and on the page."""

    name: str
    type: pa.DataType
    meaning: str


_TIME = pa.timestamp("us", tz="UTC")

COLUMNS: tuple[Column, ...] = (
    Column(
        "event_id",
        pa.string(),
        "unique within its source; UUIDv7, or derived from the provider's id",
    ),
    Column("event_type", pa.string(), "`noun.past_participle`"),
    Column("schema_version", pa.int16(), "version of the payload"),
    Column("shard", pa.int16(), "number of the log"),
    Column("position", pa.int64(), "place in the log: 1, 2, 3 … without a hole"),
    Column(
        "conversation_id",
        pa.string(),
        "conversation it belongs to; null outside the conversation stream",
    ),
    Column("sequence", pa.int64(), "place in the conversation: 1, 2, 3 … without a hole"),
    Column("session_id", pa.string(), "session it fell into, stamped at commit"),
    Column("participant_id", pa.string(), "who did it"),
    Column("participant_role", pa.string(), "customer, bot, agent or system"),
    Column("contact_id", pa.string(), "the person behind a customer, across channels"),
    Column("channel", pa.string(), "whatsapp, sms, messenger, slack, email, web …"),
    Column("channel_account", pa.string(), "which number, page or inbox of ours"),
    Column("message_id", pa.string(), "message it creates or speaks of"),
    Column("handoff_id", pa.string(), "handoff it belongs to"),
    Column("in_reply_to", pa.string(), "message_id it answers"),
    Column("caused_by", pa.string(), "event_id of its cause"),
    Column("bot_version", pa.string(), "version of the bot that answered"),
    Column("queue", pa.string(), "where a handoff waits"),
    Column("visibility", pa.string(), "public, or internal: never shown to a customer"),
    Column("is_test", pa.bool_(), "kept, counted nowhere"),
    Column("occurred_at", _TIME, "producer's clock; never used for order"),
    Column("received_at", _TIME, "our clock, at the door"),
    Column("committed_at", _TIME, "our clock, at the commit"),
    Column("happened_at", _TIME, "the clock the models reckon with; never later than received_at"),
    Column("text", pa.string(), "message text, byte-exact"),
    Column("payload", pa.string(), "the rest, per type, as JSON"),
    Column("source", pa.string(), "credential or adapter that wrote it"),
)
"""Columns of an event in Parquet, in order. Frozen with FORMAT_VERSION."""

SCHEMA = pa.schema([pa.field(column.name, column.type) for column in COLUMNS])


@dataclass(frozen=True)
class EventType:
    """One type of event: its stream, who may write it, which columns it cannot do without."""

    name: str
    stream: Stream
    meaning: str
    writer: Writer = "client"
    requires: tuple[str, ...] = ()
    visibility: Visibility = "public"


def _types(
    stream: Stream, *rows: tuple[Any, ...], **shared: Any
) -> Iterator[tuple[str, EventType]]:
    for name, meaning, *requires in rows:
        yield name, EventType(name, stream, meaning, requires=tuple(requires), **shared)


EVENT_TYPES: dict[str, EventType] = {
    **dict(
        _types(
            "conversation",
            (
                "conversation.created",
                "a conversation begins; payload.participants are in it",
                "channel",
            ),
            ("conversation.updated", "attributes changed"),
            ("conversation.state_changed", "payload.to: active, inactive or closed"),
            (
                "conversation.resolved",
                "the demand is met; payload.resolved_by, payload.is_confirmed",
            ),
            ("conversation.reopened", "the demand is back"),
            ("participant.joined", "somebody came in", "participant_id", "participant_role"),
            ("participant.updated", "somebody's attributes changed", "participant_id"),
            (
                "participant.left",
                "somebody left; the last customer ends the session",
                "participant_id",
            ),
            ("participant.read_advanced", "somebody read up to payload.sequence", "participant_id"),
            (
                "message.created",
                "a message; payload.modified_by: the hooks that gave it this text",
                "participant_id",
            ),
            ("message.edited", "its text became this", "message_id"),
            ("message.deleted", "its text is gone; the message stays as a tombstone", "message_id"),
            ("message.reacted", "somebody reacted to it", "message_id", "participant_id"),
            ("message.submitted", "handed to the channel", "message_id"),
            ("message.delivered", "reached the recipient's device", "message_id"),
            ("message.read", "seen by the recipient", "message_id"),
            ("message.failed", "could not be delivered; payload.error_code", "message_id"),
            ("handoff.requested", "control is to pass; payload.reason", "handoff_id"),
            ("handoff.queued", "waits in a queue", "handoff_id"),
            ("handoff.assigned", "offered to an agent", "handoff_id"),
            ("handoff.accepted", "an agent took it", "handoff_id"),
            ("handoff.declined", "an agent refused it", "handoff_id"),
            ("handoff.expired", "nobody took it in time", "handoff_id"),
            ("handoff.transferred", "passed on to another agent or queue", "handoff_id"),
            ("handoff.returned", "control went back to the bot", "handoff_id"),
            ("handoff.closed", "over", "handoff_id"),
            ("bot.turn_started", "the bot began to work on an answer"),
            ("bot.tool_called", "the bot, or an agent's desk, asked a tool"),
            ("bot.turn_completed", "the bot finished; payload.nlu, payload.model_call"),
            (
                "bot.turn_failed",
                "the bot could not answer; payload.reason, webhook_failed: it was not reached",
            ),
            ("feedback.requested", "a rating was asked for"),
            ("feedback.submitted", "a rating was given; payload.score"),
        )
    ),
    **dict(
        _types(
            "conversation",
            ("session.started", "a run of activity begins"),
            (
                "session.ended",
                "it is over; payload.reason: timeout, max_length, participant_left, conversation_closed, explicit",
            ),
            ("control.changed", "another one may speak"),
            writer="server",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "contact",
            ("contact.created", "a person", "contact_id"),
            ("contact.updated", "a person's attributes changed", "contact_id"),
            ("contact.linked", "an address belongs to this person", "contact_id"),
            ("contact.merged", "two were one person", "contact_id"),
            ("contact.unmerged", "they were not", "contact_id"),
        )
    ),
    **dict(
        _types(
            "review",
            ("review.submitted", "a reviewer judged a conversation"),
            ("review.disputed", "somebody disagrees"),
            ("review.resolved", "the dispute is settled"),
            writer="dashboard",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "audit",
            ("transcript.viewed", "somebody read a transcript"),
            ("transcript.searched", "somebody searched transcripts"),
            ("transcript.exported", "somebody took transcripts out"),
            writer="dashboard",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "privacy",
            ("data.erased", "a person's data was erased"),
            writer="server",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "delivery",
            ("webhook.attempted", "a delivery was tried"),
            ("webhook.delivered", "a delivery arrived"),
            ("webhook.dead_lettered", "a delivery was given up"),
            writer="server",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "ephemeral",
            ("typing.started", "somebody types"),
            ("typing.stopped", "somebody stopped"),
        )
    ),
}
"""Every event type but `custom.<name>`, which clients may write in the conversation stream."""

_CUSTOM = re.compile(r"custom\.[a-z][a-z0-9_]{0,63}\Z")
_CUSTOM_TYPE = EventType("custom.<name>", "conversation", "whatever a client wants on the record")


def event_type(name: str) -> EventType | None:
    """The type called `name`, or None if there is none."""
    return EVENT_TYPES.get(name) or (_CUSTOM_TYPE if _CUSTOM.match(name) else None)


def to_micros(moment: datetime) -> int:
    """An aware instant as microseconds since 1970, the store's form of it."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant that `to_micros` was given, in UTC."""
    return EPOCH + micros * MICROSECOND


# --- the lake on disk -----------------------------------------------------------------


def segment_path(received_on: date, shard: int, first: int, last: int) -> str:
    """Path of a segment below the lake folder. Frozen. Made of our clock and numbers only."""
    return f"events/received_on={received_on.isoformat()}/{shard}-{first:012d}-{last:012d}.parquet"


def manifest_path(lake: Path) -> Path:
    """The manifest: one line of JSON a sealed or compacted segment, in the order they were written."""
    return lake / "manifest.jsonl"


@dataclass(frozen=True)
class Segment:
    """One line of the manifest: a Parquet file and what it must contain.

    A segment that was compacted from others names them in `replaces`: it holds their rows, so
    they are no longer read and their files go after a while.
    """

    path: str
    shard: int
    first_position: int
    last_position: int
    rows: int
    bytes: int
    sha256: str
    sealed_at: str
    format_version: int = FORMAT_VERSION
    replaces: tuple["Segment", ...] = ()

    @property
    def received_on(self) -> date:
        """The day of its folder: all its events were received on it."""
        return date.fromisoformat(Path(self.path).parent.name.removeprefix("received_on="))

    def line(self, previous: str) -> tuple[str, str]:
        """This entry as a manifest line, and the chain value in it.

        The value also vouches for the line before, whose own is `previous`.
        """
        body = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.replaces:
            body["replaces"] = [[each.path, each.sha256] for each in self.replaces]
        else:
            del body["replaces"]
        value = chain(previous, body)
        return json.dumps({**body, "chain": value}, separators=(",", ":")) + "\n", value


class ManifestError(Exception):
    """The manifest cannot be what the sealer wrote: a line was changed, lost or reordered."""

    def __init__(self, path: Path, number: int, why: str) -> None:
        """Say which line (`number` from 1) of which file is wrong, and why."""
        self.path = path
        self.number = number
        super().__init__(
            f"{path}, line {number}: {why}. Segments before this line can be trusted; "
            "restore the manifest from a backup, or move lake and warehouse away: both are made anew from the log."
        )


def chain(previous: str, body: dict[str, Any]) -> str:
    """sha256 over the chain value before and this entry: a changed line breaks all that follow."""
    text = previous + json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(lake: Path) -> tuple[list[Segment], str]:
    """The segments that make up the record, in order, and the last chain value ("" if empty).

    What was compacted is in the `replaces` of the segment that took its place. A last line
    without its newline was never committed and is not read.
    Raises ManifestError where the chain breaks, positions leave a hole, or a compacted segment
    is not exactly what it says it replaces.
    """
    path = manifest_path(lake)
    record: dict[int, Segment] = {}
    last, value = None, ""
    for number, segment, replaced, stated in _entries(path):
        if replaced:
            segment = _compacted(record, segment, replaced, path, number)
        elif last is not None and segment.first_position != last + 1:
            raise ManifestError(path, number, f"position {last + 1} is missing")
        else:
            last = segment.last_position
        record[segment.first_position] = segment
        value = stated
    return [record[first] for first in sorted(record)], value


def _entries(path: Path) -> Iterator[tuple[int, Segment, list[list[str]], str]]:
    """Line number, segment, what it replaces, chain value, of each line that can be trusted."""
    value = ""
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            body = json.loads(line)
            stated = body.pop("chain")
            value = chain(value, body)
            replaced = body.pop("replaces", [])
            segment = Segment(**body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ManifestError(path, number, "not a manifest entry") from error
        if stated != value:
            raise ManifestError(path, number, "does not agree with its own checksum")
        yield number, segment, replaced, value


def _compacted(
    record: dict[int, Segment], segment: Segment, replaced: list[list[str]], path: Path, number: int
) -> Segment:
    """`segment` with those that it replaces, which are taken out of `record`."""
    old: list[Segment] = []
    position = segment.first_position
    for name in replaced:
        found = record.pop(position, None)
        if found is None or [found.path, found.sha256] != name or found.path == segment.path:
            raise ManifestError(path, number, f"does not replace the segment at {position}")
        old.append(found)
        position = found.last_position + 1
    if position != segment.last_position + 1 or segment.rows != sum(each.rows for each in old):
        raise ManifestError(path, number, "does not hold what it replaces")
    return replace(segment, replaces=tuple(old))


def _whole_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes. Parquet does not notice a flipped bit; this does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(lake: Path, segment: Segment) -> bool:
    """Whether the segment's file is there, with the bytes that the manifest vouches for."""
    try:
        return file_sha256(lake / segment.path) == segment.sha256
    except OSError:
        return False
