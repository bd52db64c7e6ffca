"""Full-text search over messages: SQLite FTS5 in a file of its own, derived from the sealed segments.

The index remembers which positions it has, by shard, so it reads what is new, also a segment that was
quarantined and restored. Delete the file, and the next search makes it again. Events may come in any order.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ingest.contract import from_micros
from ingest.manifest import Segment, read_manifest
from warehouse import ledger
from warehouse.ledger import Loaded

FILE = "search.sqlite"
MAX_HITS = 100

_SCHEMA = """
    create table if not exists spans (shard integer, first integer, last integer);
    create table if not exists messages (
        number integer primary key, conversation_id text, message_id text, sequence integer,
        participant_id text, participant_role text, channel text, visibility text, is_test integer,
        happened_at integer, text text, facets text, edited_sequence integer,
        is_deleted integer default 0, unique (conversation_id, message_id)
    );
    create virtual table if not exists texts using fts5 (
        text, facets, content = 'messages', content_rowid = 'number',
        tokenize = 'unicode61 remove_diacritics 2'
    );
"""
_VERSION = 2
"""Version of the schema: a file of another version is made again."""

_TYPES = ("message.created", "message.edited", "message.deleted")
_COLUMNS = (
    "shard", "position", "event_type", "conversation_id", "message_id", "sequence", "participant_id",
    "participant_role", "channel", "visibility", "is_test", "happened_at", "text",
)  # fmt: skip

_SEARCH = """
    select messages.conversation_id, messages.message_id, messages.sequence, messages.participant_id,
        messages.participant_role, messages.channel, messages.happened_at,
        snippet(texts, 0, '[', ']', ' … ', 16)
    from texts join messages on messages.number = texts.rowid
    where texts match :query
        and not messages.is_test
        and (:participant is null or messages.participant_id = :participant)
        and (:role is null or messages.participant_role = :role)
        and (:channel is null or messages.channel = :channel)
        and (:since is null or messages.happened_at >= :since)
        and (:until is null or messages.happened_at < :until)
    order by texts.rowid desc
    limit :most
"""

_WORD = re.compile(r'"([^"]*)"|(\S+)')


class EmptySearchError(Exception):
    """The search has no word to look for."""


@dataclass(frozen=True)
class Hit:
    """A message with all words of a search; `[` and `]` mark them in `excerpt`."""

    conversation_id: str
    message_id: str
    sequence: int
    participant_id: str | None
    participant_role: str | None
    channel: str | None
    happened_at: datetime
    excerpt: str


@dataclass(frozen=True)
class Scope:
    """What a search is limited to; instants in microseconds, `until` excluded."""

    participant: str | None = None
    role: str | None = None
    channel: str | None = None
    since: int | None = None
    until: int | None = None


def day_start(day: date | None) -> int | None:
    """Return the first instant of a day in UTC, in microseconds."""
    if day is None:
        return None
    epoch = date(1970, 1, 1)
    return (day - epoch).days * 86_400 * 1_000_000


class SearchIndex:
    """The index of one data folder. Several processes may use it: SQLite lets one write."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it."""
        self._path = path
        with self._connect() as db:
            (version,) = db.execute("pragma user_version").fetchone()
            if version != _VERSION:
                for name in ("texts", "messages", "spans"):
                    db.execute(f"drop table if exists {name}")
                db.execute(f"pragma user_version = {_VERSION}")
            db.executescript(_SCHEMA)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as db:
            db.execute("pragma journal_mode = wal")
            yield db

    def update(self, lake: Path, on_events: Callable[[int], object] = lambda _: None) -> int:
        """Add the sealed events that are new; return the number of messages that changed.

        One transaction for each segment: safe to repeat, and to kill anywhere. A damaged segment is left
        out until it is restored. Raises ManifestError.
        """
        changed = 0
        segments, _ = read_manifest(lake)
        with self._connect() as db:
            for segment in segments:
                if not list(ledger.gaps(_spans(db), segment)):
                    continue
                intact, _ = ledger.inspect(lake, [segment])
                if intact:
                    changed += self._add(db, lake, segment)
                    on_events(segment.rows)
        return changed

    def _add(self, db: sqlite3.Connection, lake: Path, segment: Segment) -> int:
        rows = _read(lake / segment.path)
        db.execute("begin immediate")
        try:
            gaps = list(ledger.gaps(_spans(db), segment))  # another process may have been faster
            new = [row for row in rows if any(gap.first <= row[1] <= gap.last for gap in gaps)]
            for row in new:
                _apply(db, dict(zip(_COLUMNS, row, strict=True)))
            db.executemany("insert into spans values (?, ?, ?)", gaps)
            db.execute("commit")
        except BaseException:
            db.execute("rollback")
            raise
        return len(new)

    def search(self, words: str, scope: Scope, most: int = MAX_HITS) -> list[Hit]:
        """Return the newest messages with all words; a part in quotes is a phrase, `word*` a beginning.

        Upper case and accents do not matter. Raises EmptySearchError.
        """
        if scope.until is not None and scope.until <= max(scope.since or FIRST, FIRST):
            return []
        given = {
            "query": _match(words, scope),
            "participant": scope.participant,
            "role": scope.role,
            "channel": scope.channel,
            "since": scope.since,
            "until": scope.until,
            "most": most,
        }
        with self._connect() as db:
            rows = db.execute(_SEARCH, given).fetchall()
        names = tuple(Hit.__dataclass_fields__)
        found = (dict(zip(names, row, strict=True)) for row in rows)
        return [Hit(**each | {"happened_at": from_micros(each["happened_at"])}) for each in found]


def to_query(words: str) -> str:
    """Return the FTS5 query for what a person typed: no character of it is an operator."""
    terms: list[str] = []
    for phrase, word in _WORD.findall(words):
        text = (phrase or word).replace('"', " ").strip()
        bare = text.rstrip("*")
        if any(character.isalnum() for character in bare):
            terms.append(f'"{bare}"' + ("*" if text.endswith("*") else ""))
    if not terms:
        raise EmptySearchError("give at least one word to search for")
    return " ".join(terms)


def _match(words: str, scope: Scope) -> str:
    """Return the FTS5 query for words and a scope: the index has a token for each facet of a message."""
    facets = [
        _token(name, value)
        for name, value in zip("prc", (scope.participant, scope.role, scope.channel), strict=True)
        if value is not None
    ]
    if scope.until is not None:
        days = tokens_of_days(max(scope.since or FIRST, FIRST), scope.until)
        facets.append(f"({' OR '.join(days)})")
    found = f"text : ({to_query(words)})"
    return found if not facets else f"{found} AND facets : ({' AND '.join(facets)})"


def _token(name: str, value: str) -> str:
    """Return the token of a facet: hexadecimal, so that the tokenizer keeps it whole."""
    return name + value.encode().hex()


def _facets(event: dict[str, Any]) -> str:
    day = from_micros(event["happened_at"])
    named = zip("prc", ("participant_id", "participant_role", "channel"), strict=True)
    tokens = [_token(name, event[column]) for name, column in named if event[column] is not None]
    return " ".join([*tokens, f"m{day:%Y%m}", f"d{day:%Y%m%d}"])


FIRST = 631_152_000_000_000
"""1990-01-01, the earliest `happened_at`: the months of an open beginning are counted from here."""


def tokens_of_days(since: int, until: int) -> Iterator[str]:
    """Yield a token for each whole month, and for each other day, between two instants (UTC)."""
    day, end = from_micros(since).date(), from_micros(until - 1).date()
    while day <= end:
        following = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        if day.day == 1 and following <= end + timedelta(days=1):
            yield f"m{day:%Y%m}"
            day = following
        else:
            yield f"d{day:%Y%m%d}"
            day += timedelta(days=1)


def _spans(db: sqlite3.Connection) -> Loaded:
    return ledger.merge_spans(
        db.execute("select shard, first, last from spans order by shard, first")
    )


def _read(path: Path) -> list[tuple[Any, ...]]:
    """Return the events of messages in a segment."""
    wanted = pl.col("event_type").is_in(_TYPES) & pl.col("conversation_id").is_not_null()
    frame = pl.read_parquet(path, columns=list(_COLUMNS), hive_partitioning=False).filter(wanted)
    return frame.with_columns(pl.col("happened_at").dt.epoch("us")).select(_COLUMNS).rows()


def _apply(db: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Apply an event to its message, which may be unknown yet."""
    key = {"conversation_id": event["conversation_id"], "message_id": event["message_id"]}
    db.execute("insert or ignore into messages (conversation_id, message_id) values (:conversation_id, :message_id)", key)  # fmt: skip
    number, sequence, text, facets, edited_sequence, is_deleted = db.execute(
        "select number, sequence, text, facets, edited_sequence, is_deleted from messages "
        "where conversation_id = :conversation_id and message_id = :message_id",
        key,
    ).fetchone()
    before = after = text, facets
    if event["event_type"] == "message.created":
        if sequence is not None:
            return  # a producer that names one message in two events meant the first
        db.execute(
            "update messages set sequence = :sequence, participant_id = :participant_id, "
            "participant_role = :participant_role, channel = :channel, visibility = :visibility, "
            "is_test = :is_test, happened_at = :happened_at where number = :number",
            event | {"number": number},
        )
        is_changed = edited_sequence is not None or is_deleted
        after = (text if is_changed else event["text"]), _facets(event)
    elif event["event_type"] == "message.deleted":
        db.execute("update messages set is_deleted = 1 where number = ?", [number])
        after = None, facets
    elif not is_deleted and event["sequence"] > (edited_sequence or 0):
        db.execute("update messages set edited_sequence = ? where number = ?", [event["sequence"], number])  # fmt: skip
        after = event["text"], facets
    if after != before:
        _replace(db, number, before, after)


Indexed = tuple[str | None, str | None]
"""The text and the facets of a message."""


def _replace(db: sqlite3.Connection, number: int, before: Indexed, after: Indexed) -> None:
    if before[0] is not None:
        remove = "insert into texts (texts, rowid, text, facets) values ('delete', ?, ?, ?)"
        db.execute(remove, [number, *before])
    db.execute("update messages set text = ?, facets = ? where number = ?", [*after, number])
    if after[0] is not None:
        db.execute("insert into texts (rowid, text, facets) values (?, ?, ?)", [number, *after])
