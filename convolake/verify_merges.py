"""The part of `verify` that follows merges of contacts: in the store and in the warehouse, by other code than both."""

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import msgspec
import polars as pl

from convolake.verify_warehouse import Check
from ingest.events.contact_state import decode_contact
from ingest.lake.log_reader import LogReader
from warehouse.model import SOURCE

Merges = dict[str, str | None]
"""Contacts by id, and what each is merged into now."""

_STORED = """
    select events.contact_id, events.event_type, events.payload,
        contacts.merged_into, contacts.projection, events.shard, events.position
    from events left join contacts on contacts.contact_id = events.contact_id
    where events.event_type in ('contact.merged', 'contact.unmerged')
    union all
    select contact_id, null, null, merged_into, projection, 0, 0
    from contacts where merged_into is not null
    order by 6, 7
"""
"""One statement, so that events and states are of one moment. A contact that is merged without an event comes first."""

_LOADED = f"""
    select contact_id, event_type, payload from {SOURCE}
    where rejection_reason is null and event_type in ('contact.merged', 'contact.unmerged')
    order by shard, position
"""  # noqa: S608 (our own name)

_DIVERGING = """
    with followed as (
        select 'contact ' || coalesce(expected.contact_id, merged_contacts.contact_id) as place
        from expected
        full join merged_contacts on expected.contact_id = merged_contacts.contact_id
        where expected.person_id is distinct from merged_contacts.person_id
    ),
    told as (
        select 'conversation ' || conversations.conversation_id as place
        from conversations
        inner join conversation_facts
            on conversations.conversation_id = conversation_facts.conversation_id
        left join expected on conversations.contact_id = expected.contact_id
        where coalesce(expected.person_id, conversations.contact_id)
            is distinct from conversation_facts.contact_id
    )
    select place from followed union all select place from told order by place
"""

STORE = "contacts of the log are merged as their events say"
WAREHOUSE = "contacts and conversations of the warehouse follow merges as the log does"


class _Merged(msgspec.Struct):
    into: str


def check_store(log: LogReader) -> Check:
    """Compare the states of contacts, which the API reads, with the merges of the log."""
    rows = log.query(_STORED).to_pylist()
    merges = follow(
        (row["contact_id"], row["event_type"], row["payload"]) for row in rows if row["event_type"]
    )
    diverging = sorted({row["contact_id"] for row in rows if not _is_as(merges, row)})
    detail = f"{len(diverging)} diverge, first contact {diverging[0]}" if diverging else None
    return Check(STORE, ok=not diverging, detail=detail or f"{len(merges):,} contacts followed")


def _is_as(merges: Merges, row: dict[str, Any]) -> bool:
    """Return whether column and state of a contact have what its events say; a state that cannot be read is another check's."""
    expected = merges.get(row["contact_id"])
    if row["projection"] is None or row["merged_into"] != expected:
        return False
    try:
        return decode_contact(row["projection"]).merged_into == expected
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True


def check_warehouse(con: duckdb.DuckDBPyConnection) -> Check:
    """Compare persons and contacts of the warehouse with the merges that are loaded. SOURCE has those."""
    merges = follow(con.execute(_LOADED).fetchall())
    merged = [each for each, into in merges.items() if into is not None]
    persons = [person_of(each, merges) for each in merged]
    schema = {"contact_id": pl.String, "person_id": pl.String}
    con.register("expected", pl.DataFrame({"contact_id": merged, "person_id": persons}, schema))
    try:
        diverging = con.execute(_DIVERGING).fetchall()
    finally:
        con.unregister("expected")
    detail = f"{len(diverging)} diverge, first {diverging[0][0]}" if diverging else None
    return Check(WAREHOUSE, ok=not diverging, detail=detail or f"{len(merged):,} merged contacts")


def follow(events: Iterable[tuple[str, str, str | None]]) -> Merges:
    """Return what each contact is merged into after these events (contact, type, payload), in their order."""
    merges: Merges = {}
    for contact_id, event_type, payload in events:
        is_merge = event_type == "contact.merged"
        merges[contact_id] = (
            msgspec.json.decode(payload or "", type=_Merged).into if is_merge else None
        )
    return merges


def person_of(contact_id: str, merges: Mapping[str, str | None]) -> str:
    """Return the contact that all merges lead to."""
    seen: set[str] = set()
    while contact_id not in seen and (into := merges.get(contact_id)) is not None:
        seen.add(contact_id)
        contact_id = into
    return contact_id
