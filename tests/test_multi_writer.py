"""Several API processes on one PostgreSQL share one log: no gaps, and the same order for every subscriber."""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import httpx2
import psycopg
import pytest

from convolake.verify import verify
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.storage.base import UnusableDatabaseError
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.postgres import PostgresDatabase
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.writer_requests import Execute
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.api_server import WAIT, Installation, run_server, wait_until
from tests.cluster.apis import several_apis
from tests.cluster.processes import processes, writer_of_group
from tests.factories import Clock, Ids, Record, free_port, make_conversation, make_event
from tests.postgres_server import PostgresServer, postgres_server
from tests.test_live import receive_events

pytestmark = pytest.mark.postgresql

ALL = "select * from events order by position"


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> Settings:
    """One log in PostgreSQL; webhooks may go to this machine."""
    return Settings(
        data=tmp_path / "data", store_url=postgres.create(), webhook_networks={"127.0.0.0/8"}
    )


def test_during_a_database_outage_no_event_is_acknowledged_and_writes_resume(
    tmp_path: Path,
) -> None:
    with postgres_server() as server:
        settings = Settings(data=tmp_path / "data", store_url=server.create())
        key = get_or_create_local_key(settings, 0)
        with (
            run_server(FastPathMiddleware(create_app(settings))) as url,
            Client(url, key) as client,
        ):
            api = Installation(url, key, settings, Clock())
            with api.http, closing(client.listen(after=0)) as subscriber:
                api.post_events(make_conversation(messages=1))
                assert [next(subscriber)["position"] for _ in range(3)] == [1, 2, 3]
                server.stop()
                rejected = api.post("/v1/events", [make_event(event_id="perhaps")])
                assert rejected.status_code == 503
                assert api.http.get("/readyz").status_code == 503
                assert api.http.get("/v1/conversations/c1").status_code == 503
                server.start()
                wait_until(lambda: api.http.get("/readyz").status_code == 200, WAIT, "the log")
                api.post_events([make_event(event_id="perhaps"), make_event(event_id="after")])
                assert [next(subscriber)["event_id"] for _ in range(2)] == ["perhaps", "after"]
        rows = Record(settings, Clock()).log(ALL)
        assert [row["position"] for row in rows] == list(range(1, 6))


def test_lost_connections_under_load_neither_lose_nor_duplicate_events(
    shared: Settings, postgres: PostgresServer
) -> None:
    """The client retries an event whose response was lost, and the log stores it once."""
    with (
        several_apis(shared, 2) as (here, _),
        Client(here.url, here.key, jitter=lambda: 0.0) as client,
    ):
        here.post_events(make_conversation(messages=0))
        lost = 0
        for number in range(100):
            if number % 10 == 5:
                with psycopg.connect(shared.database_url, autocommit=True) as killer:
                    lost += len(killer.execute(_TERMINATE_WRITERS).fetchall())
            list(client.record([make_event(event_id=f"m{number}")]))
        assert lost > 10
        rows = Record(shared, Clock()).log(ALL)
    assert [row["event_id"] for row in rows[2:]] == [f"m{number}" for number in range(100)]
    assert [row["sequence"] for row in rows] == list(range(1, 103))


WRITER_KILLS = 15


def test_a_writer_that_is_killed_is_replaced_and_its_process_gets_every_event_once(
    shared: Settings,
) -> None:
    """Each of two processes has a writer. One is killed at any moment; its API lives on, and the other commits too."""
    sent = [f"m{number}" for number in range(WRITER_KILLS * 20)]
    key = get_or_create_local_key(shared, 0)
    with (
        processes(shared, 2) as running,
        Client(running.clients[0].url, key, jitter=lambda: 0.0) as here,
    ):
        there = running.clients[1]
        list(here.record(make_conversation(messages=0)))
        with closing(here.listen(after=0)) as subscriber:
            for number, event_id in enumerate(sent):
                if number % 20 == 10:
                    _kill_writer(running.pids[0])
                event = make_event(event_id=event_id)
                list((there if number % 5 == 0 else here).record([event]))
            seen: list[str] = []
            while len(seen) < len(sent) + 2:
                seen.append(next(subscriber)["event_id"])
    stored = [row["event_id"] for row in Record(shared, Clock()).log(ALL)]
    assert stored[2:] == sent
    assert seen == stored


def _kill_writer(api: int) -> None:
    def find() -> bool:
        return writer_of_group(api) is not None

    wait_until(find, WAIT, "the writer")
    writer = writer_of_group(api)
    assert writer is not None
    os.kill(writer, signal.SIGKILL)


_TERMINATE_WRITERS = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'convolake' and datname = current_database()
"""


def test_every_text_survives_from_postgresql_to_the_warehouse(shared: Settings) -> None:
    record = Record(shared, Clock())
    texts = [
        "Ünïcode 📦 שלום नमस्ते",
        "line\nline\ttab \\ ' \"",
        "",
        "\u200b",
        "%s %(name)s ?",
        "\ue000",
    ]
    events = [make_event(event_id=f"e{number}", text=text) for number, text in enumerate(texts)]
    record.publish([*make_conversation(messages=0), *events])
    found = record.query("select text from messages order by sequence")
    assert [row["text"] for row in found] == texts
    assert run_in_adbc_process(verify, shared).ok


def test_a_name_that_postgresql_cannot_store_is_rejected(shared: Settings) -> None:
    with several_apis(shared, 2) as (here, _):
        assert here.http.get("/v1/conversations/a%00b").status_code == 404
        rejected = here.post(
            "/v1/conversations/a%00b/messages", {"participant_id": "a", "text": "x"}
        )
        assert rejected.status_code == 404
        assert here.http.get("/v1/rejected").status_code == 200


def test_processes_that_start_at_the_same_time_create_one_log(shared: Settings) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as starting:
        list(starting.map(migrate, [shared.database_url] * 3))
    with several_apis(shared, 2) as (here, there):
        here.post_events(make_conversation(messages=1))
        assert there.http.get("/v1/conversations/c1").status_code == 200


def test_a_missing_driver_or_server_is_reported_in_one_line(tmp_path: Path) -> None:
    def error_output(place: str, program: str) -> str:
        variables = {"CONVOLAKE_DATA": str(tmp_path), "CONVOLAKE_STORE_URL": place}
        command = [sys.executable, "-c", f"import sys; {program}{_MAIN}"]
        found = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
        assert found.returncode == 1
        assert "hush" not in found.stderr
        assert len(found.stderr.splitlines()) <= 2, found.stderr
        return found.stderr

    place = f"postgresql://me:hush@127.0.0.1:{free_port()}/log"
    assert "extra `postgres`" in error_output(place, "sys.modules['psycopg'] = None; ")
    assert "CONVOLAKE_STORE_URL" in error_output(place, "")


_MAIN = "sys.argv = ['convolake', 'serve']; from convolake.__main__ import main; main()"


def test_an_unsafe_database_configuration_is_rejected(tmp_path: Path) -> None:
    with postgres_server() as server:
        with pytest.raises(UnusableDatabaseError, match="SQL_ASCII"):
            migrate(server.create("SQL_ASCII"))
        url = server.create()
        server.stop()
        server.start("-c", "fsync=off")
        with pytest.raises(UnusableDatabaseError, match="fsync"):
            migrate(url)
        server.stop()
        server.start("-c", "synchronous_commit=off")
        engine = open_engine(url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("show synchronous_commit").scalar() == "on"
        engine.dispose()


def test_unknown_notifications_do_not_stop_the_follower(shared: Settings) -> None:
    """A process of another version sends these during a rolling update."""
    with several_apis(shared, 2) as (here, there), there.listen("/v1/live") as far:
        with psycopg.connect(shared.database_url, autocommit=True) as other_version:
            for words in ("hello", "[1]", '["x", {"unknown": 1}]'):
                other_version.execute("select pg_notify('convolake_typing', %s)", (words,))
            other_version.execute("notify convolake_log, 'hello'")
        here.post_events(make_conversation(messages=1))
        assert len(receive_events(far, 3)) == 3


def test_control_without_the_lock_writers_collide(
    shared: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the order in the tests above depends on the lock."""
    with several_apis(shared, 2) as (here, there), ThreadPoolExecutor(2) as writers:
        here.post_events(make_conversation(messages=0))
        monkeypatch.setattr(PostgresDatabase, "acquire_write_lock", lambda *_: None)

        def write(side: Installation) -> int:
            events = ([make_event(event_id=f"{side.url[-5:]}-{number}")] for number in range(100))
            return sum(side.post("/v1/events", each).status_code == 503 for each in events)

        assert sum(writers.map(write, (here, there))) > 0


def test_commits_see_each_other_at_any_default_isolation_level(shared: Settings) -> None:
    name = shared.database_url.rpartition("/")[2]
    with psycopg.connect(shared.database_url, autocommit=True) as owner:
        owner.execute(
            f"alter database {name} set default_transaction_isolation = 'repeatable read'".encode()
        )
    with several_apis(shared, 2) as (here, there), ThreadPoolExecutor(2) as writers:
        here.post_events(make_conversation(messages=0))

        def write(side: Installation) -> None:
            for number in range(40):
                side.post_events([make_event(event_id=f"{side.url[-5:]}-{number}")])

        list(writers.map(write, (here, there)))
    rows = Record(shared, Clock()).log(ALL)
    assert [row["sequence"] for row in rows] == list(range(1, 83))


def test_options_of_the_url_are_kept(shared: Settings) -> None:
    with psycopg.connect(shared.database_url, autocommit=True) as owner:
        owner.execute("create schema mine")
    place = f"{shared.database_url}?options=-csearch_path%3Dmine"
    migrate(place)
    with psycopg.connect(shared.database_url) as owner:
        found = owner.execute("select schemaname from pg_tables where tablename = 'events'")
        assert found.fetchall() == [("mine",)]


def test_a_change_repeated_after_a_lost_answer_is_stored_once(settings: Settings) -> None:
    """The dispatcher repeats a change whose outcome is unknown; it may be stored already."""
    migrate(settings.database_url)

    async def change_twice() -> None:
        engine = open_engine(settings.database_url)
        writer = ThreadWriter(
            Store(engine),
            shard=0,
            policy=LifecyclePolicy.from_settings(settings),
            clock=Clock(),
            new_id=Ids(),
        )
        writer.start()
        row = StoredEvent(
            event_id="told",
            event_type="webhook.delivered",
            visibility="internal",
            received_at=1,
            happened_at=1,
            source=SYSTEM_SOURCE,
            fingerprint=b"",
        )
        for _ in range(2):
            await writer.execute(Execute([], [row]))
        await asyncio.to_thread(writer.stop)
        engine.dispose()

    asyncio.run(change_twice())
    assert len(Record(settings, Clock()).log(ALL)) == 1


def test_a_hanging_database_is_reported_and_blocks_no_process(tmp_path: Path) -> None:
    with postgres_server() as server:
        settings = Settings(data=tmp_path / "data", store_url=server.create())
        with processes(settings, 1) as running:
            (client,) = running.clients
            client.create_conversation("web")
            server.pause()
            try:
                wait_until(lambda: ready(client) == 503, 2 * WAIT, "the outage is reported")
            finally:
                server.resume()
            wait_until(lambda: ready(client) == 200, 2 * WAIT, "the database is ready again")
            os.kill(running.pids[0], 0)


def ready(client: Client) -> int:
    return httpx2.get(f"{client.url}/readyz", timeout=WAIT).status_code
