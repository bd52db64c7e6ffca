"""What a commit to PostgreSQL promises although it does not wait for each of its statements."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine, MetaData, delete, event, select

from ingest.cluster import commit_follower
from ingest.cluster.commit_follower import CommitFollower
from ingest.errors import LogUnavailableError, OutcomeUnknownError
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.committer import Committer, Received
from ingest.log.storage import many_rows
from ingest.log.storage.engine import open_engine
from ingest.log.storage.many_rows import insert_many
from ingest.log.storage.store import Store
from ingest.log.storage.tables import events
from ingest.settings import Settings
from tests.factories import Clock, Ids, create_store
from tests.log.writers import create, say
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgresql


STARTED = 2
"""Position after the events of a new conversation: its creation and its first session."""


@contextmanager
def committer_of(settings: Settings) -> Iterator[tuple[Committer, Store]]:
    create_store(settings)
    engine = open_engine(settings.database_url)
    store = Store(engine)
    policy = LifecyclePolicy.from_settings(settings)
    committer = Committer(store, shard=0, policy=policy, clock=Clock(), new_id=Ids(), builders={})
    list(committer.commit([Received(create(), 1)]))
    yield committer, store
    store.rollback()
    committer.close()
    engine.dispose()


def stored_ids(settings: Settings) -> list[str]:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute("select event_id from events order by position").fetchall()
    return [row[0] for row in rows]


def test_a_commit_after_a_statement_that_failed_raises_and_stores_nothing(
    settings: Settings,
) -> None:
    with committer_of(settings) as (committer, store):
        position = store.begin(STARTED)
        row = store.read("select * from events order by position", ())[0]
        twice = StoredEvent(**dict(zip(events.columns.keys(), row, strict=True)))
        twice.position = position + 1
        store.add_events([twice])
        with pytest.raises(psycopg.errors.UniqueViolation):
            store.commit()
        store.rollback()
        ((results, rows),) = committer.commit([Received(say("next"), 1)])
        assert isinstance(results[0], list)
        assert [each.position for each in rows] == [STARTED + 1]
    stored = stored_ids(settings)
    assert (stored[0], stored[STARTED:]) == ("c1-created", ["next"])


def test_a_read_after_a_statement_that_failed_raises_what_that_raised(settings: Settings) -> None:
    with committer_of(settings) as (_, store):
        store.begin(STARTED)
        store._cursor.execute("insert into events (event_id) values ('incomplete')")
        with pytest.raises(psycopg.errors.NotNullViolation):
            store.find_events(["any"])


_KILL = """
    select pg_sleep(random() * 0.02), pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'convolake' and datname = current_database()
"""
KILLS = 200


@pytest.mark.long
def test_whenever_its_connection_is_killed_a_commit_tells_the_truth(settings: Settings) -> None:
    """Acknowledged events are stored, failed ones are not; nothing is stored twice, and positions have no gap."""
    sent = 0
    answers: dict[str, object] = {}
    with committer_of(settings) as (committer, _), _killer(settings) as is_over:
        while not is_over():
            ids = [f"m{sent + number}" for number in range(1 + sent % 12)]
            sent += len(ids)
            batch = [Received(say(each), 1) for each in ids]
            results = [each for done, _ in committer.commit(batch) for each in done]
            answers |= dict(zip(ids, results, strict=True))
    stored = stored_ids(settings)
    acknowledged = {key for key, answer in answers.items() if isinstance(answer, list)}
    failed = {key for key, answer in answers.items() if type(answer) is LogUnavailableError}
    unknown = {key for key, answer in answers.items() if type(answer) is OutcomeUnknownError}
    assert len(acknowledged) > KILLS // 4
    assert unknown
    assert acknowledged <= set(stored)
    assert not failed & set(stored)
    assert len(stored) == len(set(stored))
    with psycopg.connect(settings.database_url) as connection:
        found = connection.execute("select max(position), max(sequence) from events").fetchone()
    assert found == (len(stored), len(stored))


@contextmanager
def _killer(settings: Settings) -> Iterator[Callable[[], bool]]:
    """Kill the writer's connection again and again; the value says whether that is over."""

    def kill() -> None:
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            killed = 0
            for _ in range(50 * KILLS):
                killed += len(connection.execute(_KILL).fetchall())
                if killed >= KILLS:
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    yield lambda: not thread.is_alive()
    thread.join()


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


def _values(column: Any) -> st.SearchStrategy[Any]:
    kinds: dict[type, st.SearchStrategy[Any]] = {
        str: TEXTS,
        bytes: st.binary(max_size=40),
        bool: st.booleans(),
    }
    small = column.type.__class__.__name__ == "SmallInteger"
    found = kinds.get(
        column.type.python_type, st.integers(-(2**15), 2**15 - 1) if small else NUMBERS
    )
    return found if not column.nullable else st.none() | found


@pytest.fixture
def plain(postgres: PostgresServer, tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """Engines of PostgreSQL and SQLite with the table of events alone: without what an index forbids."""
    tables = MetaData()
    events.to_metadata(tables).indexes.clear()
    engines = open_engine(postgres.create()), open_engine(f"sqlite:///{tmp_path / 'log.db'}")
    for engine in engines:
        tables.create_all(engine)
    yield engines
    for engine in engines:
        engine.dispose()


@examples(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_written_at_once_are_those_written_one_by_one(
    plain: tuple[Engine, Engine], data: st.DataObject
) -> None:
    """PostgreSQL gets all rows as one parameter, SQLite each row: both store the same, also in small parts."""
    row = st.tuples(*(_values(column) for column in events.columns))
    rows = data.draw(st.lists(row, max_size=5, unique_by=_key), "rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many_rows, "CHUNK_BYTES", data.draw(st.sampled_from([1, 2**24]), "bytes"))
        at_once, one_by_one = (_write(engine, rows) for engine in plain)
    assert at_once == one_by_one == sorted(rows, key=repr)


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    names = events.columns.keys()
    return tuple(row[names.index(each.name)] for each in events.primary_key)


def _write(engine: Engine, rows: list[Any]) -> list[Any]:
    """Return what the table holds after an insert, and empty it."""
    connection = engine.raw_connection()
    insert_many(engine.dialect, events).execute(connection.cursor(), rows)
    connection.commit()
    connection.close()
    with engine.begin() as reading:
        found = reading.execute(select(events)).all()
        reading.execute(delete(events))
    return sorted((tuple(each) for each in found), key=repr)


class Following:
    """What a follower of the log read and published, which one of these writers belongs to."""

    def __init__(self, settings: Settings, writer_id: str) -> None:
        self.published: list[str] = []
        self.arrived = asyncio.Event()
        self.reads = 0
        self.engine = open_engine(settings.database_url, read_only=True)
        event.listen(self.engine, "before_cursor_execute", self._count)
        self.follower = CommitFollower(
            settings.database_url,
            self.engine,
            writer_id,
            {0: STARTED},
            self._publish,
            lambda _: None,
        )

    def _count(self, *_: Any) -> None:
        self.reads += 1

    def _publish(self, rows: Sequence[StoredEvent]) -> None:
        self.published.extend(each.event_id for each in rows)
        self.arrived.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.follower.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.engine.dispose()


async def commit(committer: Committer, event_id: str) -> Sequence[StoredEvent]:
    """Commit a message in another thread; return its events."""
    ((_, rows),) = await asyncio.to_thread(
        lambda: list(committer.commit([Received(say(event_id), 1)]))
    )
    return rows


def test_a_process_reads_the_commits_of_others_but_not_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_follower, "POLL_SECONDS", 3600)
    own_ids = [f"own{number}" for number in range(20)]

    async def follow(own: Committer, other: Committer, writer_id: str) -> None:
        async with Following(settings, writer_id) as following:
            for each in own_ids:
                following.follower.on_commit(await commit(own, each))
            following.arrived.clear()
            before = following.reads
            await commit(other, "other")
            await following.arrived.wait()
            assert following.reads > before
        assert before <= 2 * 5, "one read at the start, and one when it listens"
        assert following.published == [*own_ids, "other"]

    with committer_of(settings) as (own, store), committer_of(settings) as (other, _):
        asyncio.run(follow(own, other, store.writer_id))


def test_an_own_commit_that_a_process_was_not_told_of_is_published_with_the_next_poll(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer that committed it was killed before it could say so."""
    monkeypatch.setattr(commit_follower, "POLL_SECONDS", 0.05)

    async def follow(own: Committer, writer_id: str) -> None:
        async with Following(settings, writer_id) as following:
            await commit(own, "unheard")
            await following.arrived.wait()
        assert following.published == ["unheard"]

    with committer_of(settings) as (own, store):
        asyncio.run(follow(own, store.writer_id))


def test_a_commit_that_hangs_between_its_statements_loses_the_lock_to_others(
    settings: Settings,
) -> None:
    """The server ends its session, after a time that this test shortens."""
    with committer_of(settings) as (hanging, store), committer_of(settings) as (other, _):
        store.read("select set_config('idle_in_transaction_session_timeout', '200ms', false)", ())
        store.begin(STARTED)
        store.find_events(["any"])
        ((results, _),) = other.commit([Received(say("other"), 1)])
        assert isinstance(results[0], list)
        ((results, _),) = hanging.commit([Received(say("late"), 1)])
        assert isinstance(results[0], OutcomeUnknownError)
        ((results, _),) = hanging.commit([Received(say("late"), 1)])
        assert isinstance(results[0], list)
    assert stored_ids(settings)[STARTED:] == ["other", "late"]


def test_a_rollback_notices_a_connection_that_was_lost_between_commits(settings: Settings) -> None:
    with committer_of(settings) as (committer, store):
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            connection.execute(_KILL)
        store.rollback()
        assert store.is_disconnected
        ((results, _),) = committer.commit([Received(say("next"), 1)])
        assert isinstance(results[0], list)
    assert stored_ids(settings)[STARTED:] == ["next"]
