"""Runs several processes as one foreground program: start, show, restart, stop.

Each process writes to its own log file. The screen shows one line for each, with its URL, when it answers.
A process that dies is restarted. If this program is killed, its processes get SIGTERM on Linux.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from convolake.priority import lower_session_priority

STEP_SECONDS = 0.2
STOP_SECONDS = 30.0
"""Maximum time for a stop, longer than the lake waits for the end of the API. Then the process is killed, which is safe."""
RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0


class ServiceFailedError(Exception):
    """A process did not stay up; the message has its last output."""

    def __init__(self, service: "Service", log: Path) -> None:
        """`log`: the process's log file."""
        words = log.read_text(errors="replace").strip().splitlines()[-8:] if log.exists() else []
        super().__init__("\n  ".join([f"{service.name} stopped; its log {log} ends with:", *words]))


@dataclass(frozen=True)
class Service:
    """A process to keep running. `url` is shown when `probe` (or `url`) answers.

    One that `is_background` runs when the others leave the CPU idle.
    """

    name: str
    argv: Sequence[str]
    url: str | None = None
    probe: str | None = None
    environment: Mapping[str, str] | None = None
    is_background: bool = False


@dataclass
class _Running:
    service: Service
    log: Path
    process: "subprocess.Popen[bytes]"
    is_shown: bool = False
    restarts: "deque[float]" = field(default_factory=deque)


class Supervisor:
    """Runs services until a signal, or until one of them cannot be kept up."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        """Start no process yet. `logs`: folder of the log files; `say` receives each line for the screen."""
        self._logs = logs
        self._say = say
        self._stopping = False
        self._running: list[_Running] = []

    def __enter__(self) -> Self:
        """Handle Ctrl-C and SIGTERM."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything that runs."""
        self.stop()

    def run(self, services: Sequence[Service]) -> None:
        """Start `services` and supervise them. Raises ServiceFailedError."""
        self._running = [self._start(service) for service in services]
        while not self._stopping:
            for running in self._running:
                self._supervise(running)
            time.sleep(STEP_SECONDS)

    def stop(self) -> None:
        """Send a stop signal to all, wait for them, and kill those that do not stop."""
        self._stopping = True
        for running in self._running:
            _signal_group(running.process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for running in self._running:
            try:
                running.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(
                    f"{running.service.name} did not stop in {STOP_SECONDS:.0f} s and was killed"
                )
            # Remaining processes of its group are stopped too.
            _signal_group(running.process, signal.SIGKILL)
            running.process.wait()
        self._running = []

    def _on_signal(self, _number: int, _frame: object) -> None:
        if not self._stopping:
            self._say("stopping …")
        self._stopping = True

    def _start(self, service: Service) -> _Running:
        log = self._logs / f"{service.name}.log"
        return _Running(service, log, _spawn(service, log))

    def _supervise(self, running: _Running) -> None:
        if running.process.poll() is not None and not self._stopping:
            self._restart(running)
        elif not running.is_shown and _answers(running.service):
            running.is_shown = True
            self._say(f"{running.service.name:<12}{running.service.url or 'running'}")

    def _restart(self, running: _Running) -> None:
        now = time.monotonic()
        while running.restarts and now - running.restarts[0] > RESTART_WINDOW_SECONDS:
            running.restarts.popleft()
        if not running.is_shown or len(running.restarts) >= RESTARTS:
            raise ServiceFailedError(running.service, running.log)
        running.restarts.append(now)
        self._say(
            f"{running.service.name} stopped (exit {running.process.returncode}); starting it again"
        )
        running.process = _spawn(running.service, running.log)
        running.is_shown = False


def _spawn(service: Service, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (our own command lines)
            service.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=service.environment,
            start_new_session=True,
            preexec_fn=lambda: _prepare(service),
        )


def _prepare(service: Service) -> None:
    """Prepare a child before its program starts. It has a session of its own by now."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if service.is_background:
        lower_session_priority()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _answers(service: Service) -> bool:
    url = service.probe or service.url
    if url is None:
        return True
    try:
        with urlopen(url, timeout=1):  # noqa: S310 (our own loopback URL)
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
