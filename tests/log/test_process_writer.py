"""The writer in a process of its own, or of several APIs: what happens when either process ends or hangs."""

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from ingest.accounts.channel_calls import prepare_call
from ingest.accounts.registry import AccountPolicy
from ingest.api.channel_translation import ReadCall
from ingest.api.taken_call import BUILDER, TakenCall
from ingest.channels.addresses import phone
from ingest.channels.base import Call, MessageItem, Person
from ingest.errors import LogUnavailableError, OutcomeUnknownError
from ingest.log import framing
from ingest.log.process_writer import ProcessWriter, WriterStart
from ingest.log.socket_writer import SocketWriter
from ingest.log.writer_requests import DeferredAppend
from ingest.settings import Settings
from tests.factories import Clock, Record, make_event
from tests.identity.channel_log import WHATSAPP
from tests.log.writers import COMMAND, Opened, append, create, run, say


@pytest.fixture(params=["process", "shared"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def started(opened: Opened) -> "subprocess.Popen[bytes] | None":
    """The writer's process, once it is started."""
    if opened.host is not None:
        return opened.host.process
    assert isinstance(opened.writer, ProcessWriter)
    return opened.writer.process


def process(opened: Opened) -> "subprocess.Popen[bytes]":
    found = started(opened)
    assert found is not None
    return found


def connection(opened: Opened) -> asyncio.WriteTransport:
    assert isinstance(opened.writer, SocketWriter)
    assert opened.writer._connection is not None
    return opened.writer._connection.transport


def held_up(opened: Opened, *requests: Any) -> list["asyncio.Future[Any]"]:
    """Stop the process, and submit requests that it therefore does not answer."""
    process(opened).send_signal(signal.SIGSTOP)
    return [opened.writer.submit(each) for each in requests]


def test_unanswered_requests_get_503_when_the_process_dies_and_later_ones_are_stored(
    kind: str,
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> tuple[list[Any], Any]:
        await opened.send(create())
        unanswered = held_up(opened, say("m1"), say("m2"))
        await asyncio.sleep(0)  # they are sent
        process(opened).kill()
        lost = await asyncio.gather(*unanswered, return_exceptions=True)
        assert opened.writer.last_error is not None
        assert "starts again" in opened.writer.last_error
        (again,) = await opened.send(say("m1"))
        assert opened.writer.last_error is None
        return lost, again

    lost, again = run(kind, settings, work)
    assert [type(each) for each in lost] == [OutcomeUnknownError, OutcomeUnknownError]
    assert again[0].status == "accepted"


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_requests_submitted_while_the_process_dies_are_answered(
    kind: str, loop: Callable[[], asyncio.AbstractEventLoop], settings: Settings
) -> None:
    """They are flushed in the turn of the loop that sees the end of the socket; in more than one frame."""

    async def work(opened: Opened) -> tuple[list[Any], int]:
        await opened.send(create())
        opened.writer._queue_events = 10_000
        submitted: list[asyncio.Future[Any]] = []
        seen = asyncio.Event()

        def submit() -> None:
            for number in range(3):
                events = [make_event(event_id=f"{number}-{each}") for each in range(2_000)]
                submitted.append(opened.writer.submit(append(*events)))
            seen.set()

        def submit_in_the_next_turn() -> None:
            asyncio.get_running_loop().call_soon(submit)

        protocol = connection(opened).get_protocol()
        protocol.eof_received = submit_in_the_next_turn  # type: ignore[attr-defined]
        process(opened).kill()
        await seen.wait()
        answers = await asyncio.gather(*submitted, return_exceptions=True)
        return answers, opened.writer.queued_events

    answers, queued = run(kind, settings, work, loop=loop)
    assert [type(each) for each in answers] == [list] * 3
    assert queued == 0


@pytest.mark.sqlite
def test_what_was_committed_without_an_answer_is_published_and_met_as_a_duplicate(
    kind: str,
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> tuple[Any, list[int]]:
        await opened.send(create())
        (unanswered,) = held_up(opened, say("m1"))
        await asyncio.sleep(0)
        connection(opened).get_extra_info("socket").shutdown(socket.SHUT_RD)  # loses the answer
        process(opened).send_signal(signal.SIGCONT)
        with pytest.raises(OutcomeUnknownError):
            await unanswered
        (again,) = await opened.writer.submit(say("m1"))
        return again, [each.position for each in opened.published]

    again, positions = run(kind, settings, work)
    assert again.status == "duplicate"
    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) == 3


def test_requests_are_answered_and_readiness_tells_when_the_process_lives_on_without_its_socket(
    kind: str,
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> str | None:
        await opened.send(create())
        (unanswered,) = held_up(opened, say("m1"))
        await asyncio.sleep(0)
        connection(opened).abort()
        with pytest.raises(OutcomeUnknownError):
            await unanswered
        error = opened.writer.last_error
        process(opened).send_signal(signal.SIGCONT)
        await opened.send(say("m2"))
        return error

    error = run(kind, settings, work)
    assert error == "the connection to the writer's process closed; it starts again"


def test_after_a_failed_flush_no_other_process_starts(settings: Settings) -> None:
    """Only a restart of the API reads the disk."""

    async def work(opened: Opened) -> tuple[bool, str | None]:
        await opened.send(create())
        failed = msgspec.structs.replace(opened.writer._status, failure="a commit failed")
        opened.writer._resolve([], [], [], failed)  # as its answer says
        first = process(opened)
        first.kill()
        assert isinstance(opened.writer, ProcessWriter)
        assert opened.writer._task is not None
        await asyncio.wait_for(asyncio.shield(opened.writer._task), 20)
        with pytest.raises(LogUnavailableError, match="a commit failed"):
            opened.writer.submit(say("m3"))
        return process(opened) is first, opened.writer.failure

    is_same, failure = run("process", settings, work)
    assert is_same
    assert failure == "a commit failed"


class Unreadable:
    """It can be pickled, and not be read again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def test_a_request_that_the_process_cannot_read_gets_an_error_and_fails_no_other(
    kind: str,
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> tuple[list[Any], bool]:
        await opened.send(create())
        first = process(opened)
        answers = await opened.send(say("m1"), DeferredAppend("x", Unreadable(), 1), say("m2"))
        return answers, process(opened) is first

    (one, unread, two), is_same = run(kind, settings, work)
    assert [one[0].status, two[0].status] == ["accepted", "accepted"]
    assert "the writer cannot read the request (ValueError)" in str(unread)
    assert is_same


def call_of_a_provider(call_id: str) -> DeferredAppend:
    """A call with one message, which the writer translates."""
    call = Call(method="POST", url="", headers={}, query={}, body=b"{}")
    person = Person(addresses=(phone("4915112345678"),))
    item = MessageItem(provider_id=call_id, person=person, text="Hello")
    read = ReadCall(WHATSAPP, AccountPolicy(), [item], call_id, 0)
    prepared = prepare_call(call_id, WHATSAPP.account_id, 0, call)
    return DeferredAppend(BUILDER, TakenCall(read, None, call.body, prepared), 1)


def test_a_call_that_the_process_cannot_read_fails_none_that_was_sent_with_it(
    kind: str, settings: Settings
) -> None:
    async def work(opened: Opened) -> list[Any]:
        await opened.send(create())
        unread = DeferredAppend(BUILDER, Unreadable(), 1)
        return await opened.send(
            call_of_a_provider("a"), unread, say("m1"), call_of_a_provider("b")
        )

    first, unread, other, second = run(kind, settings, work)
    assert "the writer cannot read the request (ValueError)" in str(unread)
    assert [each[-1].status for each in (first, other, second)] == ["accepted"] * 3


def test_the_process_imports_nothing_from_the_current_folder(
    kind: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "msgspec.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(folder)

    async def work(opened: Opened) -> str:
        (answer,) = await opened.writer.submit(create())
        return str(answer.status)

    assert run(kind, settings, work) == "accepted"


def test_a_signal_while_the_process_starts_does_not_end_it(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> tuple[str, bool]:
        while (first := started(opened)) is None:
            await asyncio.sleep(0)
        for number in (signal.SIGTERM, signal.SIGINT):
            first.send_signal(number)
        (answer,) = await opened.writer.submit(create())
        return str(answer.status), process(opened) is first

    assert run(kind, settings, work) == ("accepted", True)


def test_a_process_whose_api_ends_while_it_starts_does_not_open_the_log(settings: Settings) -> None:
    start = WriterStart(settings, 0, has_wall_clock=True)
    ours, theirs = socket.socketpair()
    with theirs:
        started = subprocess.Popen([*COMMAND, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    with ours:
        ours.sendall(framing.frame(pickle.dumps(start)))
    assert started.wait(30) == 0
    assert not settings.store_path.exists()


def test_a_process_that_hangs_is_reported_and_its_requests_wait(
    kind: str, settings: Settings
) -> None:
    async def work(opened: Opened) -> Any:
        await opened.send(create())
        (waiting,) = held_up(opened, say("m1"))
        await asyncio.sleep(0)
        assert opened.writer.last_error is None
        opened.clock.forward(seconds=11)
        assert opened.writer.last_error is not None
        assert "longer than 10 s" in opened.writer.last_error
        process(opened).send_signal(signal.SIGCONT)
        answer = await waiting
        assert opened.writer.last_error is None
        return answer[0].status

    assert run(kind, settings, work) == "accepted"


def test_a_process_that_never_starts_is_reported_and_requests_get_503(
    kind: str, settings: Settings
) -> None:
    reported = {
        "process": "the writer's process ended (3); it starts again",
        "shared": "the connection to the writer's process closed; it starts again",
    }[kind]

    async def work(opened: Opened) -> None:
        with pytest.raises(LogUnavailableError):
            await opened.writer.submit(create())
        while opened.writer.last_error != reported:
            await asyncio.sleep(0)

    run(kind, settings, work, command=[sys.executable, "-c", "raise SystemExit(3)"])


def test_the_process_leaves_signals_to_the_api(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> str:
        await opened.send(create())
        for number in (signal.SIGTERM, signal.SIGINT):
            process(opened).send_signal(number)
        (answer,) = await opened.writer.submit(say("m1"))
        return str(answer.status)

    assert run(kind, settings, work) == "accepted"


def test_the_process_finishes_its_commit_and_ends_when_the_api_is_gone(
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> int:
        await opened.send(create())
        for each in held_up(opened, say("m1"), say("m2")):
            each.add_done_callback(lambda done: done.exception())
        await asyncio.sleep(0)
        left = process(opened)
        opened.writer._stopping = True  # or it would start another one
        connection(opened).abort()
        left.send_signal(signal.SIGCONT)
        return await asyncio.to_thread(left.wait, 10)

    assert run("process", settings, work) == 0
    found = Record(settings, Clock()).log("select event_id from events where source = 'test'")
    assert [row["event_id"] for row in found] == ["c1-created", "m1", "m2"]


def test_a_stop_leaves_no_process_and_no_write_ahead_log(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> int:
        await opened.send(create())
        return process(opened).pid

    pid = run(kind, settings, work)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not settings.store_path.with_name("log.sqlite-wal").exists()
