"""Frames between the API and the writer's process."""

import random
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from ingest.errors import EventConflictError, IngestError
from ingest.log import frames, framing
from ingest.log.committer import LogStatus, Received
from ingest.log.storage.compiler import Compiler
from ingest.log.storage.state_reader import DamagedStates, UnreadableState
from ingest.log.writer_requests import Acknowledgement, Append, DeferredAppend, RunTimers
from tests.factories import make_event
from tests.log.writers import append, create, say

COMPILER = Compiler(sqlite.dialect())
PREFIX = 4
"""Bytes of the length before a frame."""


def sent(*requests: Any) -> list[Received]:
    """The requests as the writer's process reads them."""
    given = [Received(each, number) for number, each in enumerate(requests)]
    now, received = frames.decode_requests(frames.encode_requests(given, 77, COMPILER)[PREFIX:])
    assert now == 77
    assert [each.received_at for each in received] == list(range(len(requests)))
    return received


def answered(request: Any, result: Any) -> Any:
    """The result of a request as the API reads it."""
    content = frames.encode_commit(LogStatus(1), [Received(request, 0)], [result], [])[PREFIX:]
    (answer,) = frames.decode_commit(content).answers
    return frames.take_answer(request, answer)


def test_frames_are_found_wherever_the_socket_cuts_them() -> None:
    contents = [b"", b"x", bytes(range(256)) * 300, b"last"]
    stream = b"".join(framing.frame(each) for each in contents)
    for _ in range(50):
        reader, found = framing.FrameReader(), []
        start = 0
        while start < len(stream):
            end = start + random.choice((1, 3, 4, 5, 1000, 70_000))  # noqa: S311
            found += reader.feed(stream[start:end])
            start = end
        assert found == contents


def test_a_request_arrives_as_it_was_sent() -> None:
    event = make_event(
        occurred_at="2030-01-01T00:00:00Z", payload={"a": [1, 2.5, None, True, {"b": "ü"}]}
    )
    request = append(event, make_event("conversation.created", payload={}))
    request.channels = frozenset({"web", "sms"})
    request.replay_of = 9
    (received,) = sent(request)
    read = received.request
    assert isinstance(read, Append)
    assert (read.source, read.path, read.received) == ("test", "/v1/events", 2)
    assert (read.channels, read.replay_of) == (request.channels, 9)
    for before, after in zip(request.events, read.events, strict=True):
        assert after.raw == before.raw
        assert after.draft is not None
        assert {name: getattr(after.draft, name) for name in after.draft.__struct_fields__} == {
            name: getattr(before.draft, name) for name in after.draft.__struct_fields__
        }


def test_requests_of_every_kind_share_a_frame() -> None:
    deferred = DeferredAppend("call", {"any": object}, 3)
    kinds = [type(each.request) for each in sent(create(), RunTimers(5), deferred, say("m1"))]
    assert kinds == [Append, RunTimers, DeferredAppend, Append]


def test_deferred_appends_keep_their_places_among_other_requests() -> None:
    account = ["shared"]
    given = [
        say("m1"),
        DeferredAppend("x", (1, account), 1),
        RunTimers(5),
        DeferredAppend("x", (2, account), 1),
    ]
    read = [each.request for each in sent(*given)]
    assert [type(each) for each in read] == [Append, DeferredAppend, RunTimers, DeferredAppend]
    assert [each.content[0] for each in read if isinstance(each, DeferredAppend)] == [1, 2]


def test_one_request_that_cannot_be_sent_as_it_is_is_sent_alone() -> None:
    large = say("m1", payload={"n": 2**64})
    batch = [Received(create(), 0), Received(large, 0)]
    with pytest.raises(OverflowError):
        frames.encode_requests(batch, 0, COMPILER)
    (received,) = sent(large)
    assert isinstance(received.request, Append)
    assert received.request.events[0].draft == large.events[0].draft


def test_errors_of_the_log_arrive_whole_and_others_as_their_words() -> None:
    error = answered(create(), EventConflictError("no", "$.event_id", conversation_id="c1"))
    assert isinstance(error, EventConflictError)
    assert error.problem()["conversation_id"] == "c1"
    foreign = answered(create(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"))
    assert not isinstance(foreign, IngestError)
    assert "UnicodeDecodeError" in str(foreign)


def test_the_outcome_of_a_deferred_append_is_set_where_it_was_submitted() -> None:
    done = DeferredAppend("call", None, 1, outcome={"waits": True})
    content = frames.encode_commit(LogStatus(1), [Received(done, 0)], [[]], [])[PREFIX:]
    request = DeferredAppend("call", None, 1)
    (answer,) = frames.decode_commit(content).answers
    assert frames.take_answer(request, answer) == []
    assert request.outcome == {"waits": True}


def test_acknowledgements_arrive_with_their_errors() -> None:
    accepted = Acknowledgement(status="accepted", event_id="a", sequence=2**40)
    rejected = Acknowledgement(status="rejected", event_id=None, error=EventConflictError("x"))
    first, second = answered(create(), [accepted, rejected])
    assert first == accepted
    assert isinstance(second.error, EventConflictError)


def test_the_state_of_the_log_and_damaged_states_are_in_a_frame() -> None:
    status = LogStatus(7, 3, "failed", "why")
    damaged = DamagedStates({UnreadableState("message", "m1")}, set())
    content = frames.encode_commit(status, [], [], [], damaged)[PREFIX:]
    commit = frames.decode_commit(content)
    assert commit.status == status
    assert commit.damaged == damaged
