"""Reads of rejected events for the API."""

from collections.abc import Sequence

from sqlalchemy import Engine, RowMapping, select

from ingest.log.storage.tables import rejected_events


def list_rejected_events(
    engine: Engine, limit: int, before: int | None, source: str | None, code: str | None
) -> Sequence[RowMapping]:
    """Return at most `limit` rejected events, newest first, with an id below `before`.

    Of one `source` and with one `code`, if given.
    """
    query = select(rejected_events).order_by(rejected_events.c.rejected_id.desc()).limit(limit)
    if before is not None:
        query = query.where(rejected_events.c.rejected_id < before)
    if source is not None:
        query = query.where(rejected_events.c.source == source)
    if code is not None:
        query = query.where(rejected_events.c.code == code)
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def get_rejected_event(engine: Engine, rejected_id: int, source: str | None) -> RowMapping | None:
    """Return a rejected event; None if there is none, or it is not of `source`."""
    query = select(rejected_events).where(rejected_events.c.rejected_id == rejected_id)
    if source is not None:
        query = query.where(rejected_events.c.source == source)
    with engine.connect() as connection:
        return connection.execute(query).mappings().one_or_none()
