"""The queue of a destination may hold a day of deliveries: each step reads what it needs."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite

from ingest.delivery.queue import unblock_next
from ingest.log.storage.tables import metadata


@pytest.mark.sqlite
def test_the_next_delivery_of_a_key_is_found_without_reading_the_others() -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    update = unblock_next("shop", "c1", 7).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    with engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"explain query plan {update}")]
    assert plan[0].endswith("(webhook_id=? AND shard=? AND position=?)"), plan
    assert [each for each in plan if each.startswith("SCAN webhook_queue")] == []
