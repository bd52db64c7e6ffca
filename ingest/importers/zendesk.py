"""Zendesk's tables: tickets, comments, users (CSV).

https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments. The first comment is the description
of the ticket; a ticket without comments brings its description itself.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ingest.importers.base import NO_OPTIONS, ImportOptions, Item
from ingest.importers.helpdesk import Kind, Record, Tables, by_time, or_damage
from ingest.importers.transcript import Transcript

KINDS = (
    Kind("comments", frozenset({"ticket_id", "body"})),
    Kind("tickets", frozenset({"id", "requester_id", "status"})),
    Kind("users", frozenset({"id", "email", "role"})),
)

SOLVED = {"solved", "closed"}


class ZendeskImporter:
    """Imports Zendesk's tables."""

    name = "zendesk"
    description = "Import Zendesk tickets and comments (CSV tables)."
    file_help = "the folder of the tables"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield each ticket as a conversation, its comments in order of time."""
        tables = Tables(options)
        yield from tables.load(path, KINDS)
        tables.add_people("users")
        reader = _Reader(tables)
        yield from tables.conversations("tickets", "comments", "ticket_id", reader.read)
        yield from reader.roles.ambiguities()


class _Reader:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.roles = tables.roles()

    def read(self, key: str, ticket: Record | None, comments: list[Record]) -> Iterator[Item]:
        """Yield the events of a ticket."""
        talk = self._transcript(key, ticket)
        if ticket is not None and not comments:
            yield from or_damage(ticket, self._description(talk, ticket))
        yield from self._comments(talk, comments, ticket.text("requester_id") if ticket else None)
        if ticket is not None and (ticket.text("status") or "") in SOLVED:
            yield from or_damage(ticket, self._solution(talk, ticket))

    def _transcript(self, key: str, ticket: Record | None) -> Transcript:
        subject = ticket.text("subject") if ticket else None
        payload = {"subject": subject[:512]} if subject else {}
        return Transcript("zendesk", key, "zendesk", self.roles, payload=payload)

    def _description(self, talk: Transcript, ticket: Record) -> Iterator[Item]:
        at = ticket.time(self._tables.options, "created_at")
        person = self._tables.person(ticket.text("requester_id"), "customer")
        text = ticket.text("description", "subject") or ""
        yield from talk.message("description", person, text, at, ticket.place)

    def _solution(self, talk: Transcript, ticket: Record) -> Iterator[Item]:
        at = ticket.time(self._tables.options, "solved_at", "updated_at", "created_at")
        agent = self._tables.person(ticket.text("assignee_id"), "agent")
        yield from talk.event("conversation.resolved", "solved", at, ticket.place, agent)

    def _comments(
        self, talk: Transcript, comments: list[Record], requester: str | None
    ) -> Iterator[Item]:
        dated, damage = by_time(comments, self._tables.options, "created_at", "created")
        yield from damage
        for at, record in dated:
            yield from self._comment(talk, record, at, requester)

    def _comment(
        self, talk: Transcript, record: Record, at: datetime, requester: str | None
    ) -> Iterator[Item]:
        author = record.text("author_id", "user_id")
        role = "customer" if author is not None and author == requester else None
        person = self._tables.person(author, role)
        is_internal = bool(record.text("public")) and not record.is_true("public")
        yield from talk.message(
            record.text("id") or record.place, person, record.text("body", "plain_body") or "",
            at, record.place, visibility="internal" if is_internal else None,
        )  # fmt: skip
