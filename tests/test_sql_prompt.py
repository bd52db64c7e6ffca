"""The prompt of `convolake sql`, in a real terminal."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.factories import Record, make_conversation
from warehouse.model import models

pytestmark = pytest.mark.long

WAIT = 30.0


class Terminal:
    """The other end of a program's terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def read_until(self, text: str) -> str:
        """Return what was printed, up to `text`."""
        found = ""
        deadline = time.monotonic() + WAIT
        while text not in found:
            assert time.monotonic() < deadline, found
            try:
                found += os.read(self._descriptor, 65_536).decode(errors="replace")
            except OSError:  # the program ended
                pytest.fail(f"{text!r} was not printed: {found}")
        return found


@contextmanager
def prompt(record: Record) -> Iterator[tuple[Terminal, "subprocess.Popen[bytes]"]]:
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "CONVOLAKE_DATA": str(record.settings.data),
        "COLUMNS": "200",
        "TERM": "xterm",
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "convolake", "sql"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(ours), running
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_the_prompt_answers_queries_and_commands_and_outlives_errors(record: Record) -> None:
    record.publish(make_conversation(messages=3))
    with prompt(record) as (terminal, running):
        terminal.read_until("convolake> ")
        terminal.type(".tables\n")
        assert "episode_outcomes" in terminal.read_until("convolake> ")
        terminal.type(".describe episodes\n")
        assert "why" not in (shown := terminal.read_until("convolake> "))
        assert "opened_sequence" in shown
        terminal.type(".describe conversation_facts\n")
        described = terminal.read_until("convolake> ")
        columns = next(each for each in models() if each.name == "conversation_facts").columns
        assert [name for name in columns if f"{name} " not in described] == []
        terminal.type(".describe episode\n")
        assert "there is no table episode; `.tables` lists them" in terminal.read_until(
            "convolake> "
        )
        terminal.type("select count(*) as how_many\n")
        terminal.read_until("...> ")
        terminal.type("from messages;\n")
        answer = terminal.read_until("convolake> ")
        assert "how_many" in answer
        assert "3" in answer
        terminal.type("select wrong from messages;\n")
        assert 'column "wrong" not found' in terminal.read_until("convolake> ")
        terminal.type("delete from messages;\n")
        assert "read-only" in terminal.read_until("convolake> ")
        terminal.type("select bot_answer_c\t from episodes;\n")
        assert "bot_answer_count" in terminal.read_until("convolake> ")
        terminal.type(".help\n")
        assert ".describe TABLE" in terminal.read_until("convolake> ")
        terminal.type(".quit\n")
        assert running.wait(WAIT) == 0
    with prompt(record) as (terminal, running):
        terminal.read_until("convolake> ")
        terminal.type("\x1b[A")  # the arrow up: the last line of the session before
        terminal.read_until(".quit")
        terminal.type("\n")
        assert running.wait(WAIT) == 0
    assert record.query("select count(*) as n from messages") == [{"n": 3}]
