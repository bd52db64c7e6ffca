"""Check the log after a run: every acknowledged event, once, without a gap."""

import sqlite3
from contextlib import closing

import msgspec

from benchmarks.servers import Server
from benchmarks.synthetic import creations


class EventsLostError(RuntimeError):
    """The log does not hold what was acknowledged; no rate of it is worth anything."""


def create_conversations(server: Server) -> None:
    """Create the conversations that messages go to, through the API."""
    body = msgspec.json.Encoder().encode_lines(creations())
    server.request("POST", "/v1/events", body, "application/x-ndjson")


def check_stored(server: Server, acknowledged: int) -> str:
    """Kill the API with SIGKILL and compare its log with what it acknowledged.

    Returns a sentence that says so. Raises EventsLostError.
    """
    server.crash()
    if server.settings is None:
        raise EventsLostError("this server has no log")
    with closing(sqlite3.connect(server.settings.store_path)) as connection:
        stored, different, last, rows = connection.execute(
            "select count(*) filter (where event_type = 'message.created'), "
            "count(distinct event_id), max(position), count(*) from events"
        ).fetchone()
        holes = connection.execute(
            "select count(*) from (select 1 from events group by conversation_id "
            "having max(sequence) <> count(*) or count(distinct sequence) <> count(*))"
        ).fetchone()[0]
    if stored != acknowledged or not different == last == rows or holes:
        raise EventsLostError(
            f"{acknowledged} acknowledged, {stored} stored; {rows} rows, {different} ids, last "
            f"position {last}, {holes} conversations with a hole"
        )
    return f"after kill -9: {stored:,} acknowledged, {stored:,} stored, no hole in any sequence"
