"""Valid by default: events, conversations, and a record to put them on."""

import asyncio
import socket
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg
from psycopg.rows import dict_row

from ingest.auth.api_keys import Grant, create_key
from ingest.contract import from_micros, to_micros
from ingest.events.draft import Command, Draft
from ingest.events.timers import LifecyclePolicy
from ingest.events.types import EventType
from ingest.log.storage.engine import is_multi_writer, migrate, open_engine
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.writer_requests import (
    Acknowledgement,
    Append,
    IncomingEvent,
    RunTimers,
    WriterRequest,
)
from ingest.manifest import Segment
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process, seal
from warehouse.build import load
from warehouse.business_hours import read_schedules
from warehouse.lake import connect
from warehouse.load_report import LoadReport

START = datetime(2030, 1, 1, 10, 0, tzinfo=UTC)
MINUTE = 60_000_000


class Clock:
    """A clock that moves when it is told to; in microseconds, as the log wants it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = to_micros(now)

    def __call__(self) -> int:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += int(timedelta(**parts).total_seconds() * 1_000_000)

    def set(self, now: datetime) -> None:
        self.now = to_micros(now)


class Ids:
    """Ids in a row: id-000001, id-000002 …"""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._last = 0

    def __call__(self) -> str:
        self._last += 1
        return f"{self._prefix}-{self._last:06}"


def make_event(event_type: str = "message.created", **over: Any) -> dict[str, Any]:
    """An event as a client sends it; a customer's message in conversation c1 by default."""
    event: dict[str, Any] = {"event_type": event_type, "conversation_id": "c1"}
    if event_type == "message.created":
        event |= {
            "participant_id": "ada",
            "participant_role": "customer",
            "text": "Where is my order?",
        }
    if event_type == "conversation.created":
        event |= {"channel": "web"}
    return event | over


def make_conversation(
    conversation_id: str = "c1", messages: int = 2, **over: Any
) -> list[dict[str, Any]]:
    """A conversation of `messages` turns between a customer and a bot."""
    people = (("ada", "customer"), ("helper", "bot"))
    said = [
        make_event(
            conversation_id=conversation_id,
            event_id=f"{conversation_id}-m{number}",
            participant_id=people[number % 2][0],
            participant_role=people[number % 2][1],
            text=f"message {number}",
        )
        for number in range(messages)
    ]
    created = make_event(
        "conversation.created",
        conversation_id=conversation_id,
        event_id=f"{conversation_id}-created",
        **over,
    )
    return [created, *said]


def make_submission(
    drafts: Sequence[Draft], source: str = "test", command: Command | None = None
) -> Append:
    """`drafts` as one request to the log: facts, or each a `command`."""
    arrivals = [
        IncomingEvent(msgspec.json.encode(draft), draft, command=command) for draft in drafts
    ]
    return Append(source, "/v1/events", len(drafts), arrivals)


def sample_payload(kind: EventType) -> dict[str, Any]:
    """Return the smallest payload that the type accepts: its required fields."""
    fields = msgspec.inspect.type_info(kind.payload)
    assert isinstance(fields, msgspec.inspect.StructType)
    return {each.encode_name: _sample(each.type) for each in fields.fields if each.required}


def _sample(info: msgspec.inspect.Type) -> Any:
    match info:
        case msgspec.inspect.Metadata():
            return _sample(info.type)
        case msgspec.inspect.LiteralType():
            return info.values[-1]
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return info.ge or 1
        case msgspec.inspect.StrType():
            return "another"
    raise TypeError(f"give a sample of {info}")


def create_store(settings: Settings) -> None:
    """Create a migrated store. A new SQLite file is a copy of one that was migrated before."""
    if is_multi_writer(settings.database_url) or settings.store_path.exists():
        migrate(settings.database_url)
        return
    settings.store_path.parent.mkdir(parents=True, exist_ok=True)
    settings.store_path.write_bytes(_migrated_store())


@cache
def _migrated_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        migrate(settings.database_url)
        return settings.store_path.read_bytes()


class Record:
    """A data folder worked on step by step: `write`, `seal`, `load`, `query`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.new_id = Ids()
        self.shard = 0
        create_store(settings)

    def write(
        self,
        events: Iterable[dict[str, Any]],
        source: str = "test",
        at_once: int = 1000,
        command: Command | None = None,
    ) -> list[Acknowledgement]:
        """Put events on the record, `at_once` in each commit: as facts, or commanded."""
        drafts = [msgspec.convert(event, Draft) for event in events]
        requests = [
            make_submission(drafts[start : start + at_once], source, command)
            for start in range(0, len(drafts), at_once)
        ]
        return asyncio.run(self._write(requests))

    def run_due(self) -> None:
        """Have done what is due by the clock."""
        asyncio.run(self._write([RunTimers(500)]))

    async def _write(self, requests: Sequence[WriterRequest]) -> list[Acknowledgement]:
        engine = open_engine(self.settings.database_url)
        writer = ThreadWriter(
            Store(engine, self.shard),
            shard=self.shard,
            policy=LifecyclePolicy.from_settings(self.settings),
            clock=self.clock,
            new_id=self.new_id,
        )
        writer.start()
        answers: list[Acknowledgement] = []
        try:
            for request in requests:
                answers += await writer.submit(request)
        finally:
            await asyncio.to_thread(writer.stop)
            engine.dispose()
        return answers

    def seal(self, rows: int = 50_000) -> list[Segment]:
        """Seal all that is written, in segments of at most `rows`."""
        return run_in_adbc_process(seal, self.settings, rows, from_micros(self.clock()))

    def load(self) -> LoadReport:
        """Load all that is sealed."""
        return load(
            self.settings.lake_path,
            self.settings.warehouse_path,
            self.settings.reporting_zone,
            business_hours=read_schedules(self.settings.business_hours),
        )

    def publish(self, events: Iterable[dict[str, Any]]) -> LoadReport:
        """Write, seal and load."""
        self.write(events)
        self.seal()
        return self.load()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the warehouse, as a reader sees them."""
        with connect(self.settings.warehouse_path) as con:
            return rows_of(con, sql)

    def log(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the store."""
        if is_multi_writer(self.settings.database_url):
            with psycopg.connect(self.settings.database_url, row_factory=dict_row) as shared:
                return shared.execute(sql.encode()).fetchall()
        connection = sqlite3.connect(self.settings.store_path)
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(sql)]
        connection.close()
        return rows


def damage(settings: Settings, statement: str) -> None:
    """Change a store behind the log's back."""
    engine = open_engine(settings.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def rows_of(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Rows of a query as dictionaries."""
    result = con.execute(sql)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def free_port() -> int:
    """Return an unused port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(settings: Settings, *scopes: str) -> str:
    """An API key with these scopes alone."""
    engine = open_engine(settings.database_url)
    try:
        return create_key(engine, "limited", 1, Grant(frozenset(scopes)))
    finally:
        engine.dispose()
