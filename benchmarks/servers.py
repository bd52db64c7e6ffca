"""The servers that are measured, each in a process of its own on a free loopback port."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.auth.api_keys import get_or_create_local_key
from ingest.clock import wall_clock
from ingest.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 40.0
REPOSITORY = Path(__file__).parent.parent


class ServerFailedError(RuntimeError):
    """A server did not start, or ended before it was told to."""


@dataclass(frozen=True)
class Server:
    """A running server and the key that it takes."""

    port: int
    key: str
    process: "subprocess.Popen[bytes]"
    settings: Settings | None = None

    def peak_memory(self) -> float:
        """Return the largest memory that its processes had, in MiB."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sum(peak_mib(each) for each in (pid, *map(int, children)))

    def crash(self) -> None:
        """End it with SIGKILL: whatever it acknowledged must be on disk by now."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def request(self, method: str, path: str, body: bytes = b"", content: str = "") -> bytes:
        """Return one request; the answer's body. Raises ServerFailedError unless it is a 2xx."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": content}
        connection.request(method, path, body, headers if content else {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status // 100 != 2:
            raise ServerFailedError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text


def peak_mib(pid: int) -> float:
    """Return the largest memory that a process has had, in MiB; 0 if it has just ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peaks = (int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return next(peaks, 0.0)


@contextmanager
def bare_server(work: Path) -> Iterator[Server]:
    """Yield the reference that stores nothing; its log goes to `work`."""
    with _plain_server("benchmarks.bare", work / "bare.log") as server:
        yield server


@contextmanager
def peer_server(work: Path) -> Iterator[Server]:
    """FastAPI and SQLAlchemy, one commit for each message; store and log go to `work`."""
    with _plain_server("benchmarks.peer_sqlalchemy", work / "peer.log", work / "peer.sqlite") as it:
        yield it


@contextmanager
def provider_server(log: Path) -> Iterator[Server]:
    """Yield the stand-in of a provider."""
    with _plain_server("benchmarks.provider", log) as server:
        yield server


@contextmanager
def _plain_server(module: str, log: Path, *arguments: Path) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", module, str(port), *map(str, arguments)]
    with running(command, {}, log) as process:
        server = Server(port, "ck_none", process)
        wait_until_up(server, log)
        yield server


@contextmanager
def api_server(
    data: Path,
    module: tuple[str, ...] = ("convolake", "api"),
    source: Path = REPOSITORY,
    store_url: str | None = None,
    **more: str,
) -> Iterator[Server]:
    """Yield the conversation API with a data folder of its own; `module` says what runs it.

    `source`: the tree whose code runs. `store_url`: where its log is. `more`: further environment variables.
    """
    settings = Settings(data=data, port=free_port(), store_url=store_url)
    if store_url is not None:
        more["CONVOLAKE_STORE_URL"] = store_url
    key = _create_key(settings, source)
    environment = {
        "CONVOLAKE_DATA": str(data),
        "CONVOLAKE_PORT": str(settings.port),
        "PYTHONPATH": str(source),  # of the writer's process too
        **more,
    }
    log = data.with_suffix(".log")
    with running([sys.executable, "-m", *module], environment, log, source) as process:
        server = Server(settings.port, key, process, settings)
        wait_until_up(server, log)
        yield server


CREATE_KEY = """
import sys
from pathlib import Path
from ingest.auth.api_keys import get_or_create_local_key
from ingest.clock import wall_clock
from ingest.settings import Settings
print(get_or_create_local_key(Settings(data=Path(sys.argv[1])), wall_clock()), end="")
"""


def _create_key(settings: Settings, source: Path) -> str:
    """Return the local key of a new store, which the code in `source` creates: another revision has other tables."""
    if source == REPOSITORY:
        return get_or_create_local_key(settings, wall_clock())
    command = [sys.executable, "-c", CREATE_KEY, str(settings.data)]
    made = subprocess.run(command, cwd=source, capture_output=True, check=True)
    return made.stdout.decode()


@contextmanager
def running(
    command: list[str], environment: dict[str, str], log: Path, folder: Path = REPOSITORY
) -> "Iterator[subprocess.Popen[bytes]]":
    """Return a process whose words go to `log`; told to stop at the end, and killed if it does not."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_up(server: Server, log: Path) -> None:
    """Return when the server answers. Raises ServerFailedError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerFailedError(f"a server ended at once:\n{log.read_text()[-2000:]}")
        try:
            server.request("GET", "/healthz")
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
    raise ServerFailedError(f"no server answers after {START_SECONDS:.0f} s")


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
