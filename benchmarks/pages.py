"""Pages of a large store, as a client reads them: one connection, one request after the other.

The conversations are long and many run at once, so that the messages of a page lie a thousand
events apart in the log. The store was just written: the system has most of it in memory.
"""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.batch import open_store
from benchmarks.generator import drive
from benchmarks.paired import Goal, Level, Size
from benchmarks.servers import Server, api_server
from benchmarks.synthetic import CONVERSATIONS, STARTED_AT, messages
from ingest.api.pagination import to_cursor
from ingest.events.conversation_state import Conversation, Member, encode_state

EVENTS, QUICK_EVENTS = 5_000_000, 400_000
LENGTH = 200
"""Events of a conversation; the first one creates it, the others are messages."""

PAGE = 50
ASKED = 2_000
SECONDS = 60.0
GOAL = Goal(20, 5, at_most=True)

ID = "printf('0194{kind}-0000-7000-8000-%012x', {number})"
BLOCK = CONVERSATIONS * LENGTH

FILL = f"""
with recursive n(i) as (select :first union all select i + 1 from n where i < :last),
numbered as (
    select i, i / {BLOCK} * {CONVERSATIONS} + i % {CONVERSATIONS} as conversation,
        i % {BLOCK} / {CONVERSATIONS} + 1 as sequence, {STARTED_AT} + i * 1000 as at
    from n
)
insert into events (event_id, event_type, schema_version, shard, position, conversation_id,
    sequence, session_id, participant_id, participant_role, channel, message_id, visibility,
    is_test, received_at, committed_at, happened_at, text, payload, source, fingerprint)
select {ID.format(kind="000e", number="i")},
    case sequence when 1 then 'conversation.created' else 'message.created' end, 1, 0, i + 1,
    {ID.format(kind="000c", number="conversation")}, sequence,
    {ID.format(kind="0005", number="conversation")}, case when sequence > 1 then 'ada' end,
    case when sequence > 1 then 'customer' end, 'web',
    case when sequence > 1 then {ID.format(kind="000e", number="i")} end, 'public', 0, at, at, at,
    case when sequence > 1 then texts.text end, null, 'benchmark', x'00112233445566778899aabbccddeeff'
from numbered left join texts on texts.rowid = i % 1000 + 1
"""

CREATE = f"""
insert into conversations (conversation_id, created_position, channel, state, last_sequence,
    session_id, projection)
select conversation_id, position, channel, 'active', {LENGTH}, session_id,
    projection(conversation_id, position, channel, session_id, happened_at)
from events where sequence = 1
"""


def fill(path: Path, events: int) -> None:
    """Create a store with `events` rows in `path`, by SQLite alone."""
    with closing(open_store(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")  # nothing here must outlive a power cut
        connection.execute("create temp table texts (text)")
        texts = [(each["text"],) for each in messages(0, 1_000)]
        connection.executemany("insert into texts values (?)", texts)
        for first in range(0, events, BLOCK):
            connection.execute(FILL, {"first": first, "last": first + BLOCK - 1})
        connection.create_function("projection", 5, projection)
        connection.execute(CREATE)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def projection(
    conversation_id: str, position: int, channel: str, session_id: str, created_at: int
) -> bytes:
    """Return the state that such a conversation has."""
    return encode_state(
        Conversation(
            conversation_id=conversation_id,
            created_position=position,
            created_at=created_at,
            channel=channel,
            last_sequence=LENGTH,
            message_count=LENGTH - 1,
            latest_at=created_at,
            received_at=created_at,
            session_id=session_id,
            session_number=1,
            session_started_at=created_at,
            participants={"ada": Member("customer")},
        )
    )


def message_paths(store: Path, count: int, chosen: random.Random) -> list[str]:
    """Return paths of full pages of messages, in conversations and at places picked at random."""
    with closing(sqlite3.connect(store)) as connection:
        ids = [row[0] for row in connection.execute("select conversation_id from conversations")]
    return [
        f"/v1/conversations/{chosen.choice(ids)}/messages"
        f"?limit={PAGE}&cursor={to_cursor(chosen.randint(1, LENGTH - PAGE))}"
        for _ in range(count)
    ]


def list_paths(events: int, count: int, chosen: random.Random) -> list[str]:
    """Return paths of pages of conversations, before positions picked at random."""
    return [
        f"/v1/conversations?limit={PAGE}&cursor={to_cursor(chosen.randint(CONVERSATIONS, events))}"
        for _ in range(count)
    ]


def measure(size: Size, work: Path) -> list[Level]:
    """Milliseconds in which 99 of 100 pages came, of messages and of conversations."""
    events, count = size.count(EVENTS, QUICK_EVENTS), size.count(ASKED, 200)
    chosen = random.Random(5)  # noqa: S311
    data = work / "pages"
    data.mkdir()
    fill(data / "log.sqlite", events)
    gigabytes = (data / "log.sqlite").stat().st_size / 1e9
    store = f"{events:,} events, {gigabytes:.1f} GB, {events // LENGTH:,} conversations"
    history = message_paths(data / "log.sqlite", count, chosen)
    with api_server(data) as api:
        return [
            _level("page of 50 messages, p99", api, history, size, GOAL, store),
            _level(
                "page of 50 conversations, p99",
                api,
                list_paths(events, count, chosen),
                size,
                Goal(at_most=True),
                store,
            ),
        ]


def _level(name: str, api: Server, paths: list[str], size: Size, goal: Goal, store: str) -> Level:
    outcomes = [
        drive(api, "page", 1, requests=len(paths), seconds=SECONDS, paths=paths)
        for _ in range(size.rounds + (0 if size.quick else 1))
    ]
    kept = outcomes if size.quick else outcomes[1:]
    middle = sorted(each.p50_ms for each in kept)[len(kept) // 2]
    notes = [f"{store}; {len(paths):,} pages at random places a round; p50 {middle:.2f} ms"]
    return Level(name, "ms", [each.p99_ms for each in kept], goal, notes)
