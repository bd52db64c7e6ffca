"""Intercom's tables in the layout of Fivetran: conversations, parts, contacts, admins (CSV).

https://fivetran.com/docs/connectors/applications/intercom. Only the current version of a row counts. Parts may
belong to a conversation whose row is not in the export.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ingest.importers.base import NO_OPTIONS, ImportOptions, Item
from ingest.importers.helpdesk import Kind, Record, Tables, by_time, or_damage
from ingest.importers.transcript import Transcript

KINDS = (
    Kind("parts", frozenset({"conversation_id", "part_type", "author_id"})),
    Kind("conversations", frozenset({"id", "source_author_id", "created_at"})),
    Kind("contacts", frozenset({"id", "role", "email", "created_at"})),
    Kind("admins", frozenset({"id", "job_title", "name"})),
)

MESSAGES = {"comment", "note", "note_and_reopen", "quick_reply"}


class IntercomImporter:
    """Imports Intercom's tables."""

    name = "intercom"
    description = "Import Intercom conversations (CSV tables, layout of Fivetran)."
    file_help = "the folder of the tables"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield each conversation, its parts in order of time."""
        tables = Tables(options)
        yield from tables.load(path, KINDS)
        tables.add_people("contacts", "customer")
        tables.add_people("admins", "agent")
        reader = _Reader(tables)
        yield from tables.conversations("conversations", "parts", "conversation_id", reader.read)
        yield from reader.roles.ambiguities()


class _Reader:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.roles = tables.roles()

    def read(self, key: str, record: Record | None, parts: list[Record]) -> Iterator[Item]:
        """Yield the events of a conversation."""
        talk = self._transcript(key, record)
        if record is not None:
            yield from or_damage(record, self._source(talk, record))
        yield from self._parts(talk, parts)
        if record is not None:
            yield from or_damage(record, self._rating(talk, record))

    def _transcript(self, key: str, record: Record | None) -> Transcript:
        kept = ("state", "priority", "source_type", "source_url", "sla_name", "sla_status")
        row = {} if record is None else {name: record.row.get(name) for name in kept}
        subject = record.text("source_subject") if record else None
        payload = {"intercom": {name: value for name, value in row.items() if value}}
        if subject:
            payload |= {"subject": subject[:512]}  # type: ignore[dict-item]
        return Transcript("intercom", key, "intercom", self.roles, payload=payload)

    def _source(self, talk: Transcript, record: Record) -> Iterator[Item]:
        at = record.time(self._tables.options, "created_at")
        author = self._tables.person(
            record.text("source_author_id"), record.text("source_author_type")
        )
        source = record.text("source_id") or "source"
        yield from talk.message(
            f"source-{source}", author, record.text("source_body") or "", at, record.place
        )

    def _rating(self, talk: Transcript, record: Record) -> Iterator[Item]:
        score = record.text("conversation_rating_value")
        if score is None or not score.replace(".", "", 1).isdecimal():
            return
        at = record.time(self._tables.options, "conversation_rating_created_at", "updated_at")
        payload = {
            "score": float(score),
            "scale": 5.0,
            "comment": record.text("conversation_rating_remark"),
        }
        yield from talk.event("feedback.submitted", "rating", at, record.place, payload=payload)

    def _parts(self, talk: Transcript, parts: list[Record]) -> Iterator[Item]:
        dated, damage = by_time(parts, self._tables.options, "created_at")
        yield from damage
        for at, record in dated:
            yield from self._part(talk, record, at)

    def _part(self, talk: Transcript, record: Record, at: datetime) -> Iterator[Item]:
        key, kind = record.text("id") or record.place, record.text("part_type") or "part"
        author = self._tables.person(record.text("author_id"), record.text("author_type"))
        body = record.text("body")
        if body is not None or kind in MESSAGES:
            visibility = "internal" if kind.startswith("note") else None
            yield from talk.message(
                key, author, body or "", at, record.place,
                visibility=visibility, payload={"part_type": kind},
            )  # fmt: skip
        if kind == "close":
            by = author.role if author.role in {"agent", "bot", "customer"} else None
            payload = {"resolved_by": by} if by else None
            yield from talk.event(
                "conversation.resolved", key, at, record.place, author, payload=payload
            )
        elif kind in {"open", "note_and_reopen"}:
            yield from talk.event("conversation.reopened", key, at, record.place, author)
        elif body is None and kind not in MESSAGES:
            yield from talk.event(
                "custom.part", key, at, record.place, author, visibility="internal",
                payload={"part_type": kind, "assigned_to": record.text("assigned_to_id")},
            )  # fmt: skip
