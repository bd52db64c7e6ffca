"""Several API processes of one log as they are installed, and clients of them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.log.storage.engine import is_multi_writer
from ingest.settings import Settings
from tests.api_server import WAIT, environment_of_an_installation, wait_until
from tests.factories import free_port


@dataclass
class Processes:
    """API processes of one log: the ids of those that serve, and a client for each."""

    pids: list[int]
    clients: list[Client]
    settings: Settings

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    @property
    def leader(self) -> int:
        """The process that delivers: on PostgreSQL the first, on SQLite the one that holds a lock."""
        if is_multi_writer(self.settings.database_url):
            return self.pids[0]
        found = holder_of(self.settings.leader_lock_path)
        assert found is not None
        return found


def holder_of(path: Path) -> int | None:
    """Return the process that holds the lock of a file, if any."""
    inode = path.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        found = re.search(rf"FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+\S+:{inode}\s", line)
        if found and "->" not in line:
            return int(found.group(1))
    return None


def children_of(pid: int, what: str) -> list[int]:
    """Return the children of a process whose command line has a word."""
    found = []
    listed = " ".join(each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children"))
    for each in sorted(listed.split(), key=int):
        with suppress(FileNotFoundError, ProcessLookupError):
            if what in Path(f"/proc/{each}/cmdline").read_text().split("\0"):
                found.append(int(each))
    return found


def workers_of(group: int) -> list[int]:
    """Return the workers of a group of API processes, the oldest first."""
    return children_of(group, "ingest.api.worker_process")


def writer_of_group(group: int) -> int | None:
    """Return the writer of a group of API processes, if it runs."""
    return next(iter(children_of(group, "ingest.api.writer_process")), None)


@contextmanager
def processes(settings: Settings, count: int) -> Iterator[Processes]:
    """Run API processes until the block ends: workers that share a writer and a port, or on PostgreSQL each alone."""
    key = get_or_create_local_key(settings, 0)
    own = is_multi_writer(settings.database_url)
    with ExitStack() as stack:
        ports = [free_port() for _ in range(count)] if own else [free_port()]
        started = [
            stack.enter_context(_process(settings, port, 1 if own else count)) for port in ports
        ]
        clients = [
            stack.enter_context(Client(f"http://127.0.0.1:{port}", key, retries=1))
            for port in (ports if own else ports * count)
        ]
        for each in clients:
            each.wait_until_ready()
        if not own:
            wait_until(lambda: _listeners(ports[0]) == count, WAIT, "all workers")
        pids = [each.pid for each in started] if own else workers_of(started[0].pid)
        yield Processes(pids, clients, settings)


def _listeners(port: int) -> int:
    """Return how many sockets listen at a port of this machine."""
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return sum(f"0100007F:{port:04X} " in line and " 0A " in line for line in lines)


@contextmanager
def _process(settings: Settings, port: int, workers: int) -> Iterator["subprocess.Popen[bytes]"]:
    variables = environment_of_an_installation() | {
        "CONVOLAKE_DATA": str(settings.data),
        "CONVOLAKE_STORE_URL": settings.database_url,
        "CONVOLAKE_PORT": str(port),
        "CONVOLAKE_WORKERS": str(workers),
        "CONVOLAKE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
    }
    command = [sys.executable, "-m", "convolake", "api"]
    running = subprocess.Popen(command, env=variables, start_new_session=True)
    with killed_at_the_end(running):
        yield running


@contextmanager
def killed_at_the_end(leader: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Kill a process and its group when the block ends."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
