"""Several APIs that share one writer's process: what each gets, and what happens when one of them ends or hangs."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import LogUnavailableError, OutcomeUnknownError
from ingest.events.stored_event import StoredEvent
from ingest.log.shared_writer import CLOSED, SharedWriter
from ingest.settings import Settings
from tests.factories import Clock, Record
from tests.log.writers import Answer, Opened, create, run, say

pytestmark = pytest.mark.sqlite


class Api:
    """One more API at the writer: what it published, and what it was told."""

    def __init__(self, opened: Opened, position: int = 0) -> None:
        self.published: list[StoredEvent] = []
        self.messages: list[dict[str, Any]] = []
        self.times_behind = 0
        self.writer = opened.share(
            position,
            publish=self.published.extend,
            on_message=self.messages.append,
            on_behind=self._note_behind,
        )

    def _note_behind(self) -> None:
        self.times_behind += 1

    async def send(self, *requests: Any) -> list[Answer]:
        return await asyncio.gather(
            *(self.writer.submit(each) for each in requests), return_exceptions=True
        )


@asynccontextmanager
async def another(opened: Opened, position: int = 0) -> AsyncIterator[Api]:
    api = Api(opened, position)
    api.writer.start()
    try:
        yield api
    finally:
        await asyncio.to_thread(api.writer.stop)


def places(events: Sequence[StoredEvent]) -> list[int | None]:
    return [each.position for each in events]


def process_id(opened: Opened) -> int:
    assert opened.host is not None
    assert opened.host.process is not None
    return opened.host.process.pid


def shared(opened: Opened) -> SharedWriter:
    assert isinstance(opened.writer, SharedWriter)
    return opened.writer


def test_apis_that_write_to_one_conversation_at_once_share_its_sequence(
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> tuple[list[Answer], list[StoredEvent], list[StoredEvent]]:
        await opened.send(create())
        async with another(opened) as second, another(opened) as third:
            answers: list[Answer] = []
            for number in range(20):
                for found in await asyncio.gather(
                    opened.send(say(f"a-{number}"), say(f"a-{number}-2")),
                    second.send(say(f"b-{number}"), say(f"b-{number}-2")),
                    third.send(say(f"c-{number}"), say(f"c-{number}-2")),
                ):
                    answers += found
        return answers, opened.published, second.published

    answers, first, second = run("shared", settings, work)
    sequences = sorted(each[0].sequence or 0 for each in answers if isinstance(each, list))
    assert sequences == list(range(3, 123))
    assert places(first) == places(second) == list(range(1, 123))
    assert [each.event_id for each in first] == [each.event_id for each in second]


def test_a_repeat_through_another_api_is_a_duplicate_with_the_same_place(
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> tuple[Answer, Answer]:
        await opened.send(create())
        async with another(opened) as second:
            (first,) = await opened.send(say("m1"))
            (again,) = await second.send(say("m1"))
            return first, again

    first, again = run("shared", settings, work)
    assert isinstance(first, list)
    assert isinstance(again, list)
    assert [first[0].status, again[0].status] == ["accepted", "duplicate"]
    assert first[0].sequence == again[0].sequence


def test_all_apis_continue_after_the_writer_dies_and_publish_every_event_once(
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> tuple[list[Answer], Api]:
        async with another(opened) as second:
            await opened.send(create())
            os.kill(process_id(opened), signal.SIGSTOP)
            unanswered = [each.writer.submit(say("lost")) for each in (opened, second)]
            await asyncio.sleep(0)
            os.kill(process_id(opened), signal.SIGKILL)
            lost: list[Answer] = await asyncio.gather(*unanswered, return_exceptions=True)
            await opened.send(say("m1"))
            await second.send(say("m2"))
            await opened.send(say("m3"))
            assert places(opened.published) == [1, 2, 3, 4, 5]
            return lost, second

    lost, second = run("shared", settings, work)
    assert [type(each) for each in lost] == [OutcomeUnknownError] * 2
    assert [each.event_id for each in second.published[2:]] == ["m1", "m2", "m3"]
    assert places(second.published) == [1, 2, 3, 4, 5]


def test_an_api_gets_the_events_that_were_committed_before_it_connected(
    settings: Settings,
) -> None:
    """Its subscribers may have read the log when it opened it, and nothing since."""

    async def work(opened: Opened) -> list[int | None]:
        await opened.send(create(), say("m1"))
        async with another(opened, position=2) as late:
            await late.send(say("m2"))
            return places(late.published)

    assert run("shared", settings, work) == [3, 4]


def test_a_message_reaches_the_other_apis_and_not_its_sender(settings: Settings) -> None:
    async def work(opened: Opened) -> tuple[list[Any], list[Any]]:
        async with another(opened) as second:
            await asyncio.gather(opened.send(create()), second.send(create("c2")))
            shared(opened).broadcast({"typing": "ada"})
            await opened.send(say("m1"))
            await second.send(say("m2", "c2"))
            return opened.messages, second.messages

    assert run("shared", settings, work) == ([], [{"typing": "ada"}])


def test_requests_of_an_api_that_died_are_committed_and_the_others_continue(
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> list[str | None]:
        await opened.send(create())
        async with another(opened) as second:
            await second.send(say("m1"))
            os.kill(process_id(opened), signal.SIGSTOP)
            last = second.writer.submit(say("m2"))
            await asyncio.sleep(0)
            connection = second.writer._connection
            assert connection is not None
            connection.transport.abort()  # as the kernel does for a process that dies
            os.kill(process_id(opened), signal.SIGCONT)
            with pytest.raises(OutcomeUnknownError):
                await last
        await opened.send(say("m3"))
        return [each.event_id for each in opened.published[2:]]

    assert run("shared", settings, work) == ["m1", "m2", "m3"]


def test_a_writer_that_hangs_is_reported_by_every_api(settings: Settings) -> None:
    """Each of them runs the timers every second, so that each waits for it."""

    async def work(opened: Opened) -> list[str | None]:
        async with another(opened) as second:
            await asyncio.gather(opened.send(create()), second.send(create("c2")))
            os.kill(process_id(opened), signal.SIGSTOP)
            waiting = [each.writer.run_timers() for each in (opened, second)]
            await asyncio.sleep(0)
            opened.clock.forward(seconds=11)
            errors = [each.writer.last_error for each in (opened, second)]
            os.kill(process_id(opened), signal.SIGCONT)
            await asyncio.gather(*waiting)
            assert [each.writer.last_error for each in (opened, second)] == [None, None]
            return errors

    assert [str(each)[:32] for each in run("shared", settings, work)] == [
        "a commit takes longer than 10 s;"
    ] * 2


def test_after_a_failed_flush_no_api_accepts_anything_and_no_writer_starts(
    settings: Settings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    command = [sys.executable, "-P", "-m", "tests.log.broken_disk", str(broken)]

    async def work(opened: Opened) -> list[str | None]:
        async with another(opened) as second:
            await asyncio.gather(opened.send(create()), second.send(create("c2")))
            broken.touch()
            (lost,) = await opened.send(say("m1"))
            assert isinstance(lost, OutcomeUnknownError)
            with pytest.raises(LogUnavailableError):
                await second.writer.submit(say("m2"))  # it is told, if not before
            pid = process_id(opened)
            os.kill(pid, signal.SIGKILL)
            assert opened.host is not None
            assert opened.host._task is not None
            await opened.host._task
            assert process_id(opened) == pid
            async with another(opened) as late:
                with pytest.raises(LogUnavailableError):
                    await late.writer.submit(say("m3"))
                return [each.writer.failure for each in (opened, second, late)]

    first, second, late = run("shared", settings, work, command=command)
    assert first == second
    assert "restart to read the truth from disk" in str(first)
    assert late == CLOSED
    found = Record(settings, Clock()).log("select event_id from events where source = 'test'")
    assert {row["event_id"] for row in found} == {"c1-created", "c2-created"}
