"""Rows by key: through a pool of connections, or on the writer's own connection."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import select, text

from ingest.log.storage.engine import open_engine
from ingest.log.storage.keyed_rows import EngineReader, KeyedQuery, KeyedRows, Reader
from ingest.log.storage.store import Store
from ingest.log.storage.tables import events
from ingest.settings import Settings
from tests.factories import Clock, Record, make_event

BY_CONVERSATION = KeyedQuery(
    select(events.c.conversation_id, events.c.event_type).where(text("sequence = 1")),
    events.c.conversation_id,
)
CONVERSATIONS = [f"c{number}" for number in range(600)]


@pytest.fixture(params=["engine", "store"])
def reader(request: pytest.FixtureRequest, settings: Settings, clock: Clock) -> Iterator[Reader]:
    created = (make_event("conversation.created", conversation_id=each) for each in CONVERSATIONS)
    Record(settings, clock).write(created)
    engine = open_engine(settings.database_url)
    store = Store(engine)
    yield EngineReader(engine) if request.param == "engine" else store
    store.close()
    engine.dispose()


@pytest.mark.parametrize("count", [0, 1, 8, 9, 17, 33, 65, 513, 600])
def test_the_rows_of_any_number_of_keys_are_found_each_once(reader: Reader, count: int) -> None:
    keys = CONVERSATIONS[:count]
    found = BY_CONVERSATION.read(reader, [*keys, "unknown"])
    assert sorted(map(tuple, found)) == sorted((each, "conversation.created") for each in keys)


def test_each_key_is_read_once(reader: Reader) -> None:
    read: list[int] = []

    class Counting:
        dialect = reader.dialect

        def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
            read.append(len(values))
            return reader.read(statement, values)

    rows = KeyedRows(Counting(), BY_CONVERSATION)
    assert len(rows.get(["c1", "c2", "unknown"])) == 2
    assert len(rows.get(["c2", "unknown"])) == 1
    assert rows.get([]) == []
    assert len(read) == 1
