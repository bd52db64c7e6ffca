"""The group of API processes that share a port and a writer: how it starts, what it shows, how it ends."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError

from ingest.api.api_process import CANNOT_START, bind_shared
from ingest.api.log_access import WRITER_COMMAND
from ingest.api.worker_group import WorkerGroup, reserve_addresses
from ingest.log.process_writer import WriterStart
from ingest.log.writer_host import WriterHost
from ingest.settings import Settings
from tests.api_server import WAIT, environment_of_an_installation, wait_until
from tests.cluster.processes import children_of, processes
from tests.factories import create_store, free_port, make_conversation, make_event

pytestmark = pytest.mark.sqlite


@pytest.mark.long
def test_every_worker_shows_the_metrics_of_all(settings: Settings) -> None:
    """A scraper reaches any of them; what it reads must not depend on which."""
    with processes(settings, 3) as running:
        list(running.clients[0].record(make_conversation(messages=0)))
        for number in range(12):  # each connection may be at another worker
            with httpx2.Client(base_url=running.clients[0].url) as http:
                headers = running.clients[0].headers
                sent = http.post("/v1/events", json=make_event(event_id=f"m{number}"), headers=headers)  # fmt: skip
                assert sent.status_code == 201

        def accepted() -> dict[str, float]:
            page = httpx2.get(f"{running.clients[0].url}/metrics").text
            line = r'convolake_events_total\{status="accepted",worker="(\d)"\} (\S+)'
            return {worker: float(value) for worker, value in re.findall(line, page)}

        wait_until(lambda: sum(accepted().values()) == 13, WAIT, "the counts of all workers")
        assert set(accepted()) == {"1", "2", "3"}


@pytest.mark.long
def test_a_worker_that_is_killed_and_a_writer_that_is_killed_start_again(
    settings: Settings,
) -> None:
    with processes(settings, 2) as running:
        client = running.clients[0]
        group = int(Path(f"/proc/{running.pids[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
        list(client.record(make_conversation(messages=0)))
        for number in range(3):
            for what in ("ingest.api.worker_process", "ingest.api.writer_process"):
                before = children_of(group, what)
                os.kill(before[0], signal.SIGKILL)
                wait_until(partial(_is_replaced, group, what, before), WAIT, f"another {what}")
            client.wait_until_ready()  # the other worker may be one that starts
            (result,) = client.record([make_event(event_id=f"m{number}")])
            assert result.accepted == 1


def _is_replaced(group: int, what: str, before: list[int]) -> bool:
    running = children_of(group, what)
    return len(running) == len(before) and before[0] not in running


def test_a_group_whose_workers_do_not_start_ends(settings: Settings) -> None:
    create_store(settings)
    host = WriterHost(WriterStart(settings, 0, has_wall_clock=True), WRITER_COMMAND, [])
    group = WorkerGroup(host, 3, [sys.executable, "-c", "raise SystemExit(1)"])
    assert asyncio.run(asyncio.wait_for(group.run(), WAIT)) == CANNOT_START
    assert host.process is not None
    assert host.process.returncode == 0


HANGING = (
    "import socket, sys, time; socket.socket(fileno=int(sys.argv[2])).send(b'.'); time.sleep(600)"
)
"""A worker that gives one sign of life."""


def test_a_worker_that_hangs_is_killed_and_starts_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.api.heartbeat.BEAT_SECONDS", 0.02)
    create_store(settings)

    async def main() -> tuple[int, int | None]:
        host = WriterHost(WriterStart(settings, 0, has_wall_clock=True), WRITER_COMMAND, [])
        group = WorkerGroup(host, 1, [sys.executable, "-c", HANGING])
        serving = asyncio.create_task(group.run())
        while 1 not in group._processes:
            await asyncio.sleep(0)
        first = group._processes[1]
        while group._processes[1] is first:
            await asyncio.sleep(0)
        group._stop()
        group._signal(signal.SIGKILL)  # the second one does not stop either
        return await asyncio.wait_for(serving, WAIT), first.returncode

    assert asyncio.run(asyncio.wait_for(main(), WAIT)) == (0, -signal.SIGKILL)


def test_all_addresses_of_a_host_are_listened_on() -> None:
    port = free_port()
    families = {each[0] for each in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
    with ExitStack() as stack:
        for _ in range(2):
            listeners = bind_shared("localhost", port)
            for each in listeners:
                stack.enter_context(each)
                each.listen()
                stack.enter_context(socket.create_connection(each.getsockname()[:2], WAIT))
            assert {each.family for each in listeners} == families


def test_an_address_is_reserved_while_no_worker_listens() -> None:
    port = free_port()
    with ExitStack() as stack:
        for each in reserve_addresses("127.0.0.1", port):
            stack.enter_context(each)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), WAIT)
        with pytest.raises(OSError, match="Address already in use"):
            socket.create_server(("127.0.0.1", port))
        with pytest.raises(OSError, match="Address already in use"):
            reserve_addresses("127.0.0.1", port)
        stack.enter_context(bind_shared("127.0.0.1", port)[0]).listen()
        with pytest.raises(OSError, match="Address already in use"):
            reserve_addresses("127.0.0.1", port)


def test_a_used_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        variables = environment_of_an_installation() | {
            "CONVOLAKE_DATA": str(tmp_path / "data"),
            "CONVOLAKE_PORT": str(other.getsockname()[1]),
            "CONVOLAKE_WORKERS": "2",
        }
        found = subprocess.run(
            [sys.executable, "-m", "convolake", "api"],
            env=variables, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert found.returncode == 1
    assert "Address already in use" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"writer": "thread"}, "several workers need the writer in a process"),
        ({"store_url": "postgresql://me@there/log"}, "workers share a log in SQLite"),
    ],
)
def test_workers_without_a_writer_to_share_are_an_invalid_setting(
    over: dict[str, str], reason: str
) -> None:
    given = {"writer": "process"} | over
    assert Settings(workers=1, **given).workers == 1  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=reason):
        Settings(workers=2, **given)  # type: ignore[arg-type]
