"""The contract of a writer: for the thread, for the process, and for a process that several APIs share."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, update

from ingest.contract import derived_id, to_micros
from ingest.errors import EventConflictError, LogUnavailableError
from ingest.events.conversation_errors import UnknownConversationError
from ingest.events.draft import Command
from ingest.events.stored_event import system_event
from ingest.log.storage.state_reader import UnreadableState, unreadable_states
from ingest.log.storage.statements import Bound
from ingest.log.storage.tables import ingest_stats
from ingest.log.writer_requests import Acknowledgement, Append, Execute, IncomingEvent
from ingest.settings import Settings
from tests.factories import START, Clock, Record, damage
from tests.log.writers import Answer, Opened, append, create, run, say

_COUNT = insert(ingest_stats).values(source="x", received=1, accepted=0, duplicate=0, conflict=0, rejected=0,
    generated=0, parked=0)  # fmt: skip


@pytest.fixture(params=["thread", "process", pytest.param("shared", marks=pytest.mark.sqlite)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rows(settings: Settings) -> list[dict[str, Any]]:
    """The events that clients sent, as they are stored."""
    return Record(settings, Clock()).log(
        "select * from events where source <> 'convolake' order by position"
    )


def acknowledged(answers: Sequence[Answer]) -> list[Acknowledgement]:
    """All acknowledgements; the error of a request that got none is raised."""
    found: list[Acknowledgement] = []
    for each in answers:
        if isinstance(each, BaseException):
            raise each
        found += each
    return found


def test_each_event_gets_its_place_in_the_order_it_was_sent(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> list[Answer]:
        return await opened.send(create(), say("m1"), say("m2"), create("c2"))

    answers = acknowledged(run(kind, settings, work))
    assert [(each.status, each.event_id, each.sequence) for each in answers] == [
        ("accepted", "c1-created", 1),
        ("accepted", "m1", 3),
        ("accepted", "m2", 4),
        ("accepted", "c2-created", 1),
    ]
    assert [row["event_id"] for row in rows(settings)] == ["c1-created", "m1", "m2", "c2-created"]
    assert {row["received_at"] for row in rows(settings)} == {to_micros(START)}


def test_a_repeat_is_a_duplicate_and_other_content_a_conflict(
    kind: str, settings: Settings
) -> None:
    async def work(opened: Opened) -> list[Answer]:
        await opened.send(create())
        first = await opened.send(say("m1"))
        return first + await opened.send(say("m1"), say("m1", text="other"), say("m2", "c9"))

    first, again, other, lost = acknowledged(run(kind, settings, work))
    assert (again.status, again.sequence, again.received_at) == (
        "duplicate", first.sequence, first.received_at,
    )  # fmt: skip
    assert isinstance(other.error, EventConflictError)
    assert isinstance(lost.error, UnknownConversationError)
    assert lost.error.field == "$.conversation_id"


def test_an_event_is_stored_as_it_was_sent(kind: str, settings: Settings) -> None:
    payload = {
        "large": 2**70,
        "least": -(2**63),
        "pi": 3.25,
        "none": None,
        "nested": [{"a": "é\u2028"}],
    }

    async def work(opened: Opened) -> list[Answer]:
        return await opened.send(create(), say("m1", payload=payload), say("m2", text="😀" * 1000))

    acknowledged(run(kind, settings, work))
    _, first, second = rows(settings)
    assert first["payload"] == (
        '{"large":1180591620717411303424,"least":-9223372036854775808,"pi":3.25,"none":null,'
        '"nested":[{"a":"é\u2028"}]}'
    )
    assert second["text"] == "😀" * 1000


def test_a_repeat_is_recognised_whichever_writer_stored_the_event(
    kind: str, settings: Settings
) -> None:
    """The fingerprint has the time zone that the producer wrote."""
    other = {"thread": "process", "process": "shared", "shared": "thread"}[kind]
    message = say("m1", occurred_at="2029-12-31T12:00:00.000001+05:30", payload={"b": 1, "a": [2]})
    again = say("m1", occurred_at="2029-12-31T12:00:00.000001+05:30", payload={"a": [2], "b": 1})

    async def first(opened: Opened) -> list[Answer]:
        return await opened.send(create(), message)

    async def second(opened: Opened) -> list[Answer]:
        return await opened.send(again)

    acknowledged(run(kind, settings, first))
    (answer,) = acknowledged(run(other, settings, second))
    assert answer.status == "duplicate"


def test_an_event_that_intake_rejected_is_kept_with_its_reason(
    kind: str, settings: Settings
) -> None:
    error = UnknownConversationError("no", "$.there", conversation_id="c7")
    request = Append("test", "/v1/events", 1, [IncomingEvent(b"\xff{", error=error)])

    async def work(opened: Opened) -> list[Answer]:
        return await opened.send(request)

    (answer,) = acknowledged(run(kind, settings, work))
    assert answer.error is not None
    assert answer.error.problem() == error.problem()
    found = Record(settings, Clock()).log("select code, detail, field, raw from rejected_events")
    assert found == [{"code": error.code, "detail": "no", "field": "$.there", "raw": b"\xff{"}]


def test_a_command_is_rejected_where_the_state_differs(kind: str, settings: Settings) -> None:
    stale = say("m1", participant_id="helper", participant_role="bot")
    stale.events[0].command = Command(control_epoch=7)

    async def work(opened: Opened) -> list[Answer]:
        return await opened.send(create(), stale)

    _, answer = acknowledged(run(kind, settings, work))
    assert answer.error is not None
    assert answer.error.code == "stale_epoch"


def test_statements_and_server_events_are_in_the_commit_of_their_request(
    kind: str, settings: Settings
) -> None:
    event = system_event(
        "session.ended", "c1", 9, happened_at=1, received_at=1, payload={}, visibility="internal"
    )
    more = update(ingest_stats).where(ingest_stats.c.source == "x").values(received=5)
    request = Execute([Bound(_COUNT, {"source": "y"}), _COUNT, more], [event])

    async def work(opened: Opened) -> list[Answer]:
        answers = await opened.send(request)
        return answers + await opened.send(Execute([more], [event]))

    assert run(kind, settings, work) == [[], []]
    log = Record(settings, Clock()).log
    counted = log("select source, received from ingest_stats where source > 'w' order by source")
    assert counted == [{"source": "x", "received": 5}, {"source": "y", "received": 1}]
    assert log("select event_id from events") == [{"event_id": derived_id("session.ended/c1/9")}]


def test_timers_run_by_the_clock_of_the_api(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> None:
        await opened.send(create(), say("m1"))
        opened.clock.forward(hours=1)
        await opened.writer.run_timers()

    run(kind, settings, work)
    ended = Record(settings, Clock()).log(
        "select received_at - happened_at as late from events where event_type = 'session.ended'"
    )
    assert ended == [{"late": 30 * 60 * 1_000_000}]


def test_committed_events_are_published_as_they_are_stored(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> list[Any]:
        await opened.send(create(), say("m1"))
        await opened.send(say("m2", payload={"a": 1}))
        return list(opened.published)

    published = run(kind, settings, work)
    found = Record(settings, Clock()).log("select * from events order by position")
    assert [each.position for each in published] == list(range(1, len(found) + 1))
    for event, row in zip(published, found, strict=True):
        assert {name: getattr(event, name) for name in row} == row


def test_an_error_in_publishing_fails_no_request(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> list[Answer]:
        def fail(_: Any) -> None:
            raise ValueError

        await opened.send(create())
        opened.writer._publish = fail
        first = await opened.send(say("m1"), say("m2"))
        later = opened.writer.submit(say("m3", text="x" * 20_000))
        return first + await opened.send(say("m4")) + [await later]

    answers = acknowledged(run(kind, settings, work))
    assert [each.status for each in answers] == ["accepted"] * 4
    assert len(rows(settings)) == 5


def test_requests_of_one_moment_share_a_commit(kind: str, settings: Settings) -> None:
    async def work(opened: Opened) -> tuple[int, int, int]:
        await opened.send(*(create(f"c{number}") for number in range(50)))
        return opened.writer.commits, opened.writer.position, opened.writer.queued_events

    commits, position, queued = run(kind, settings, work)
    assert commits <= 3
    assert position == 100
    assert queued == 0


def test_a_full_queue_rejects_at_once_and_loses_nothing_it_took(
    kind: str, settings: Settings
) -> None:
    async def work(opened: Opened) -> list[Answer]:
        first = opened.writer.submit(append(*[_created(f"c{n}") for n in range(60)]))
        with pytest.raises(LogUnavailableError, match="queue is full"):
            opened.writer.submit(append(*[_created(f"d{n}") for n in range(60)]))
        return [await first, *await opened.send(create("late"))]

    answers = acknowledged(run(kind, settings, work))
    assert [each.status for each in answers] == ["accepted"] * 61
    assert len(rows(settings)) == 61


def _created(conversation_id: str) -> dict[str, Any]:
    return {
        "event_type": "conversation.created",
        "conversation_id": conversation_id,
        "channel": "web",
    }


def test_what_was_submitted_before_the_stop_is_answered_and_nothing_after(
    kind: str, settings: Settings
) -> None:
    waiting: list[Any] = []
    stopped: list[Opened] = []

    async def work(opened: Opened) -> None:
        stopped.append(opened)
        waiting.extend(opened.writer.submit(create(f"c{number}")) for number in range(50))

    run(kind, settings, work)
    assert [each.result()[0].status for each in waiting] == ["accepted"] * 50
    with pytest.raises(LogUnavailableError):
        stopped[0].writer.submit(create())


@pytest.mark.sqlite
def test_states_that_the_writer_repairs_are_reported_in_this_process(
    kind: str, settings: Settings
) -> None:
    async def begin(opened: Opened) -> list[Answer]:
        return await opened.send(create(), say("m1"))

    async def go_on(opened: Opened) -> list[Answer]:
        return await opened.send(say("m2"))

    run(kind, settings, begin)
    damage(settings, "update conversations set projection = x''")
    unreadable_states.repaired.clear()
    (answer,) = acknowledged(run(kind, settings, go_on))
    assert answer.status == "accepted"
    assert unreadable_states.repaired == {UnreadableState("conversation", "c1")}
    unreadable_states.repaired.clear()
