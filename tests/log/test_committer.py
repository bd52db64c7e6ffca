"""A committer without a writer around it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ingest.events.timers import LifecyclePolicy
from ingest.log.committer import Committer, Received
from ingest.log.storage.engine import open_engine
from ingest.log.storage.store import Store
from ingest.settings import Settings
from tests.factories import Clock, Ids, create_store, make_event
from tests.log.writers import append, create


@contextmanager
def opened(settings: Settings) -> Iterator[Committer]:
    create_store(settings)
    engine = open_engine(settings.database_url)
    policy = LifecyclePolicy.from_settings(settings)
    committer = Committer(
        Store(engine), shard=0, policy=policy, clock=Clock(), new_id=Ids(), builders={}
    )
    yield committer
    committer.close()
    engine.dispose()


@pytest.mark.parametrize(
    "last",
    [
        {},
        {"conversation_id": "unknown"},
        {"event_type": "unknown.type"},
        {"payload": {"attachments": "none"}},
        {"message_id": "m1", "event_type": "message.edited"},
    ],
    ids=["accepted", "unknown-conversation", "unknown-type", "wrong-payload", "parked"],
)
def test_a_commit_leaves_nothing_to_the_garbage_collector(
    settings: Settings, last: dict[str, Any]
) -> None:
    """What one commit had in memory is free when it ends: its events are in no cycle of references."""
    with opened(settings) as committer:
        list(committer.commit([Received(create(), Clock()())]))
        gc.collect()
        gc.disable()
        try:
            events = [make_event(event_id=f"e{number}") for number in range(50)]
            request = append(*events, make_event(event_id="last", **last))
            ((results, _),) = committer.commit([Received(request, Clock()())])
            assert isinstance(results[0], list)
            assert results[0][0].status == "accepted"
            del results, request
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert [
                each for each in gc.garbage if type(each).__module__.startswith("ingest.")
            ] == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
