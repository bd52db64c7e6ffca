"""The real API and lake as processes of their own, and clients that write to them."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ingest.client import Client, ClientError
from ingest.manifest import read_manifest
from ingest.settings import Settings
from tests.api_server import environment_of_an_installation, wait_until
from tests.cluster.processes import killed_at_the_end, workers_of
from tests.factories import Clock, Record, make_event
from tests.faults.checker import AcknowledgedEvents

ROOT = Path(__file__).parents[2]
WRITERS = 4
CONVERSATIONS = [f"c{number}" for number in range(7)]


@contextmanager
def running(
    settings: Settings,
    command: str = "api",
    variant: str | None = None,
    files: int | None = None,
    **environment: str,
) -> Iterator["subprocess.Popen[bytes]"]:
    """`convolake api` or `convolake lake` until the block ends, or a broken variant of it.

    Begun with so many open `files` allowed, as far as it does not ask for more.

    Its output is next to the parent of the data folder, so that a file system under it can be cut.
    """
    program = ["convolake"] if variant is None else ["tests.faults.variants", variant]
    with log_path(settings, command).open("ab") as output:
        process = subprocess.Popen(
            [*_allowed(files), sys.executable, "-m", *program, command],
            cwd=ROOT,
            env=environment_of_an_installation() | _environment(settings) | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with killed_at_the_end(process):
            yield process
    finally:
        wait_until(lambda: not _members(process.pid), 20, "the end of the writer's process")


def _allowed(files: int | None) -> list[str]:
    if files is None:
        return []
    return ["sh", "-c", f'ulimit -Sn {files}; exec "$@"', "sh"]


def log_path(settings: Settings, command: str) -> Path:
    return settings.data.parent.parent / f"{command}.log"


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "CONVOLAKE_DATA": str(settings.data),
        "CONVOLAKE_STORE_URL": settings.database_url,
        "CONVOLAKE_PORT": str(settings.port),
        "CONVOLAKE_SEAL_SECONDS": str(settings.seal_seconds),
    }


def _members(group: int) -> list[str]:
    """Return the processes of a group that run: the kernel may keep those that have ended."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    found = [line.split() for line in listed.splitlines()]
    return [stat for pgid, stat in found if pgid == str(group) and not stat.startswith("Z")]


def writer_of(api: "subprocess.Popen[bytes]") -> int:
    """Return the id of the process that writes the log: a child of the API's, or the API's own."""
    workers = workers_of(api.pid)
    children = Path(f"/proc/{api.pid}/task/{api.pid}/children").read_text().split()
    writers = [int(each) for each in children if int(each) not in workers]
    return writers[-1] if writers else api.pid


def has_child(api: "subprocess.Popen[bytes]") -> bool:
    """Whether a process that the API started runs, or was not waited for."""
    return bool(Path(f"/proc/{api.pid}/task/{api.pid}/children").read_text().split())


def open_conversations(client: Client) -> None:
    """The conversations that `Load` writes to."""
    events = [
        make_event("conversation.created", conversation_id=each, event_id=f"{each}-created")
        for each in CONVERSATIONS
    ]
    assert [result.rejected for result in client.record(events)] == [0]


def wait_for_the_lake(settings: Settings) -> bool:
    """Whether all that the log holds is sealed before long."""
    wanted = Record(settings, Clock()).log("select max(position) as last from events")[0]["last"]
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        segments, _ = read_manifest(settings.lake_path)
        if segments and segments[-1].last_position >= wanted:
            return True
        time.sleep(0.1)
    return False


class Load:
    """Clients that write until they are told to stop, or until the server is gone."""

    def __init__(
        self,
        settings: Settings,
        key: str,
        acknowledged: AcknowledgedEvents,
        prefix: str,
        enough: int,
    ) -> None:
        """`enough` is set when that number of events was acknowledged here."""
        self.enough = threading.Event()
        self.failures: list[ClientError] = []
        self._settings, self._key, self._told, self._prefix = settings, key, acknowledged, prefix
        self._left = enough
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)

    def _write(self, number: int) -> None:
        with Client(self._settings.url, self._key, retries=0) as client:
            for message in range(100_000):
                if self._stop.is_set():
                    return
                event_id = f"{self._prefix}-{number}-{message}"
                event = make_event(
                    conversation_id=CONVERSATIONS[message % len(CONVERSATIONS)], event_id=event_id
                )
                try:
                    (result,) = client.record([event])
                except ClientError as failure:
                    self.failures.append(failure)
                    self._told.leave_open(event_id)
                    return
                self._told.acknowledge(event_id, result.results[0].sequence or 0)
                self._count()

    def _count(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self.enough.set()
