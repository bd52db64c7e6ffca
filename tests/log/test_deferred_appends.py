"""Appends that are built right before the commit, together, from what the log has by then."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from ingest.errors import LogUnavailableError
from ingest.events.draft import Draft
from ingest.events.timers import LifecyclePolicy
from ingest.log.deferred_appends import Build
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.keyed_rows import Reader
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.writer_requests import Append, DeferredAppend, WriterRequest
from ingest.settings import Settings
from tests.factories import Clock, Ids, make_event, make_submission


def creation(conversation_id: str) -> Append:
    event = make_event("conversation.created", conversation_id=conversation_id)
    return make_submission([msgspec.convert(event, Draft)])


def deferred(content: Any, events: int = 1, builder: str = "test") -> DeferredAppend:
    return DeferredAppend(builder, content, events)


def write(
    settings: Settings,
    build: Build,
    *requests: WriterRequest,
    kind: type[Store] = Store,
    **more: Build,
) -> list[Any]:
    """Return the answers to requests of one commit. `build` builds the deferred ones, `more` those of other builders."""
    migrate(settings.database_url)
    store = kind(open_engine(settings.database_url))
    policy = LifecyclePolicy.from_settings(settings)

    async def submit() -> list[Any]:
        writer = ThreadWriter(
            store, shard=0, policy=policy, clock=Clock(), new_id=Ids(), queue_events=10,
            builders={"test": build, **more},
        )  # fmt: skip
        waiting = [writer.submit(each) for each in requests]
        writer.start()  # so that one commit has all of them
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert writer.queued_events == 0
        await asyncio.to_thread(writer.stop)
        return answers

    return asyncio.run(submit())


def test_the_appends_of_one_commit_are_built_together_in_their_order(settings: Settings) -> None:
    seen: list[list[str]] = []

    def build(contents: Sequence[str], _: Reader) -> list[Append]:
        seen.append(list(contents))
        return [creation(each) for each in contents]

    answers = write(settings, build, deferred("c1"), creation("c2"), deferred("c3"))
    assert seen == [["c1", "c3"]]
    assert [each.conversation_id for (each,) in answers] == ["c1", "c2", "c3"]
    assert {each.status for (each,) in answers} == {"accepted"}


def test_an_append_that_cannot_be_built_costs_the_others_nothing(settings: Settings) -> None:
    def build(contents: Sequence[str], _: Reader) -> list[Append | Exception]:
        return [KeyError(each) if each == "bad" else creation(each) for each in contents]

    bad, good, direct = write(settings, build, deferred("bad"), deferred("c1"), creation("c2"))
    assert isinstance(bad, KeyError)
    assert good[0].status == direct[0].status == "accepted"


def test_an_append_is_built_again_when_its_commit_is_repeated_alone(settings: Settings) -> None:
    class FailsForOneConversation(Store):
        def add_events(self, rows: Any) -> None:
            if any(row.conversation_id == "bad" for row in rows):
                raise ValueError("not to be stored")
            super().add_events(rows)

    built: list[str] = []

    def build(contents: Sequence[str], _: Reader) -> list[Append]:
        built.extend(contents)
        return [creation(each) for each in contents]

    requests = [deferred("c1"), deferred("bad")]
    first, bad = write(settings, build, *requests, kind=FailsForOneConversation)
    assert first[0].status == "accepted"
    assert isinstance(bad, LogUnavailableError)
    assert built == ["c1", "bad", "c1", "bad"]


def test_a_builder_that_fails_fails_its_own_requests_only(settings: Settings) -> None:
    def broken(_: Sequence[Any], reader: Reader) -> list[Append]:
        raise RuntimeError("broken")

    def build(contents: Sequence[str], _: Reader) -> list[Append]:
        return [creation(each) for each in contents]

    requests = [deferred("c1", builder="broken"), deferred("c2")]
    lost, good = write(settings, build, *requests, broken=broken)
    assert isinstance(lost, LogUnavailableError)
    assert good[0].status == "accepted"


def test_expected_events_count_against_the_queue(settings: Settings) -> None:
    def build(contents: Sequence[str], _: Reader) -> list[Append]:
        return [creation(each) for each in contents]

    with pytest.raises(LogUnavailableError, match="queue is full"):
        write(settings, build, creation("c1"), deferred("c2", events=10))
