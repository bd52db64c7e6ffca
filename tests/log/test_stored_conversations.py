"""The rows of conversations: what they hold besides the state, and what a message writes of them."""

import gc
from typing import Any

import pytest
from sqlalchemy import Index, select

from ingest.events.conversation_state import decode_conversation
from ingest.log.storage.engine import open_engine
from ingest.log.storage.statements import UPDATED_COLUMNS
from ingest.log.storage.tables import conversations
from ingest.settings import Settings
from tests.factories import make_event
from tests.log.writers import append, create, run, say

INDEXES = sorted(conversations.indexes, key=lambda each: str(each.name))


@pytest.mark.parametrize("index", INDEXES, ids=lambda each: each.name)
def test_an_event_sets_no_column_of_an_index(index: Index) -> None:
    """SQLite writes a page of an index whose column is set, or whose condition names it, also to the same value."""
    condition = str(index.dialect_options["sqlite"]["where"])
    assert not set(index.columns.keys()) & set(UPDATED_COLUMNS)
    assert not set(condition.split()) & set(UPDATED_COLUMNS)


def test_the_column_state_follows_the_state_of_the_conversation(settings: Settings) -> None:
    """Also when several changes of the state are in one commit, and after a restart."""
    steps: list[list[dict[str, Any]]] = [
        [_changed_to("inactive")],
        [_changed_to("inactive"), {"event_type": "message.created"}],
        [_changed_to("inactive"), {"event_type": "conversation.resolved"}],
        [_changed_to("closed")],
    ]
    seen = set()
    run("thread", settings, lambda opened: opened.send(create(), say("m1")))
    for number, step in enumerate(steps):
        events = [
            make_event(event_id=f"e{number}-{place}", **each) for place, each in enumerate(step)
        ]
        _append(settings, events)
        for stored, state in _states(settings):
            seen.add(stored)
            assert stored == state
    assert seen >= {"active", "inactive", "closed"}


def _changed_to(state: str) -> dict[str, Any]:
    return {"event_type": "conversation.state_changed", "payload": {"to": state}}


def _append(settings: Settings, given: list[dict[str, Any]]) -> None:
    (results,) = run("thread", settings, lambda opened: opened.send(append(*given)))
    assert isinstance(results, list)
    assert [(each.status, each.error) for each in results] == [("accepted", None)] * len(given)


def _states(settings: Settings) -> list[tuple[str, str]]:
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        rows = connection.execute(select(conversations.c.state, conversations.c.projection)).all()
    engine.dispose()
    return [(state, decode_conversation(projection).state) for state, projection in rows]


@pytest.mark.sqlite
def test_the_store_is_closed_when_its_writer_has_stopped(settings: Settings) -> None:
    """Not only when the garbage collector finds it: its write-ahead log is in the file, and gone."""
    gc.disable()
    try:
        run("thread", settings, lambda opened: opened.send(create(), say("m1")))
        assert [each.name for each in settings.store_path.parent.glob("log.sqlite*")] == [
            "log.sqlite"
        ]
    finally:
        gc.enable()
