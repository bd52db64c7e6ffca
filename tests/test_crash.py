"""kill -9 under load: what was acknowledged is there, once, and sequences have no hole."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.api.keys import local_key
from ingest.client import Client, ClientError
from ingest.settings import Settings
from ingest.stamps import wall_clock
from tests.factories import Clock, Record, an_event, free_port

CYCLES = 10
WRITERS = 4


@contextmanager
def running_api(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "CONVOLAKE_DATA": str(settings.data),
        "CONVOLAKE_PORT": str(settings.port),
    }
    log = settings.data.parent / "api.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "convolake", "api"],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Load:
    """Clients that write until they are told to stop, and remember what was acknowledged."""

    def __init__(self, settings: Settings, key: str, cycle: int) -> None:
        self.acknowledged: dict[str, int] = {}
        self.enough = threading.Event()
        self._lock = threading.Lock()
        self._settings, self._key, self._cycle = settings, key, cycle
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _write(self, number: int) -> None:
        with Client(self._settings.url, self._key, retries=0) as client:
            for message in range(100_000):
                if self._stop.is_set():
                    return
                event_id = f"k{self._cycle}-{number}-{message}"
                event = an_event(conversation_id=f"c{message % 7}", event_id=event_id)
                try:
                    (result,) = client.record([event])
                except ClientError:
                    return  # the server is dead: this one is unknown
                self._remember(event_id, result.results[0].sequence or 0)

    def _remember(self, event_id: str, sequence: int) -> None:
        with self._lock:
            self.acknowledged[event_id] = sequence
            if len(self.acknowledged) > random.randint(20, 120):  # noqa: S311 (when to kill)
                self.enough.set()


def test_ten_kills_under_load_lose_double_and_skip_nothing(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", port=free_port())
    key = local_key(settings, wall_clock())
    acknowledged: dict[str, int] = {}
    for cycle in range(CYCLES):
        with running_api(settings) as process, Client(settings.url, key) as client:
            client.wait_until_ready()
            if cycle == 0:
                list(
                    client.record(
                        [
                            an_event("conversation.created", conversation_id=f"c{n}")
                            for n in range(7)
                        ]
                    )
                )
            with Load(settings, key, cycle) as load:
                assert load.enough.wait(60)
                process.send_signal(signal.SIGKILL)
        acknowledged |= load.acknowledged
    record = Record(settings, Clock())
    rows = record.log(
        "select event_id, conversation_id, sequence, position from events order by position"
    )
    stored = {row["event_id"]: row["sequence"] for row in rows}
    assert len(acknowledged) > 20 * CYCLES
    assert {event_id for event_id in acknowledged if event_id not in stored} == set()  # lost
    assert {key: stored[key] for key in acknowledged} == acknowledged  # moved
    assert len(stored) == len(rows)  # doubled
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    for conversation_id in {row["conversation_id"] for row in rows}:
        sequences = [row["sequence"] for row in rows if row["conversation_id"] == conversation_id]
        assert sequences == list(range(1, len(sequences) + 1))


def test_what_was_sent_and_not_answered_is_stored_at_most_once(tmp_path: Path) -> None:
    """A client that retries across a kill meets its own event as a duplicate."""
    settings = Settings(data=tmp_path / "data", port=free_port())
    key = local_key(settings, wall_clock())
    events = [
        an_event("conversation.created", event_id="created"),
        *(an_event(event_id=f"e{n}") for n in range(200)),
    ]
    with running_api(settings) as process, Client(settings.url, key, retries=0) as client:
        client.wait_until_ready()
        killer = threading.Timer(0.05, process.kill)
        killer.start()
        with pytest.raises(ClientError):
            list(client.record(events * 1000, batch=20))
    with running_api(settings), Client(settings.url, key) as client:
        client.wait_until_ready()
        answered = [each for result in client.record(events, batch=50) for each in result.results]
    assert {each.status for each in answered} <= {"accepted", "duplicate"}
    rows = Record(settings, Clock()).log("select event_id from events where source = 'local'")
    assert sorted(row["event_id"] for row in rows) == sorted(
        str(event["event_id"]) for event in events
    )
