"""A PostgreSQL server of the tests' own: made, started and thrown away again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.api_server import WAIT, wait_until
from tests.factories import free_port


def programs() -> Path | None:
    """Where the server's programs are: on the path, or where Debian keeps them."""
    found = shutil.which("initdb")
    places = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].parent if places else None


class PostgresServer:
    """A running server; `create` makes a database in it."""

    def __init__(self, folder: Path, programs: Path, user: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._programs = programs
        self._user = user
        self._databases = 0
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        flags = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres"]
        self._run("initdb", "--pgdata", str(self.folder / "data"), *flags).check_returncode()

    def start(self, *flags: str) -> None:
        """Serve on this machine only, with what a power cut would need."""
        command = [
            str(self._programs / "postgres"), "-D", str(self.folder / "data"),
            "-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1",
            "-c", f"unix_socket_directories={self.folder}", "-c", "max_connections=200", *flags,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, cwd=self.folder, umask=0o077
            )
        wait_until(self._answers, WAIT, "PostgreSQL")

    def stop(self) -> None:
        """At once: every connection is lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # without a checkpoint, as after a crash
            self._process.wait(WAIT)

    def pause(self) -> None:
        """Stop every process of the server, as on a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        leader = self._process.pid
        own = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        for pid in (leader, *map(int, own)):
            os.kill(pid, number)

    def create(self, encoding: str = "UTF8") -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"log{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name} encoding '{encoding}' template template0")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        command = [str(self._programs / program), *arguments]
        return subprocess.run(command, user=self._user, cwd=self.folder, capture_output=True)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server of its own; the test is skipped where PostgreSQL is not installed."""
    place = programs()
    if place is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    # The server does not run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    shutil.chown(folder, user)
    server = PostgresServer(folder, place, user)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
