"""CSV with one message a row. `--map FIELD=COLUMN` says which column holds what; common names are found.

Rows of a conversation are in order of time; rows of several conversations may alternate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, Ambiguity, Damage, ImportOptions, Item
from ingest.importers.tables import Row, columns, read_rows
from ingest.importers.transcript import Person, Roles, Transcript

COMMON: Mapping[str, tuple[str, ...]] = {
    "conversation_id": ("conversation_id", "conversation", "chat_id", "thread_id", "session_id", "ticket_id"),
    "text": ("text", "message", "body", "content", "utterance"),
    "sender": ("sender", "participant_id", "author", "from", "user", "speaker", "author_id", "sender_id"),
    "time": ("time", "timestamp", "happened_at", "occurred_at", "created_at", "date", "sent_at"),
    "role": ("role", "participant_role", "sender_type", "author_type"),
    "name": ("name", "sender_name", "author_name"),
    "message_id": ("message_id", "id"),
    "in_reply_to": ("in_reply_to", "reply_to"),
    "channel": ("channel",),
}  # fmt: skip
"""The names of a column that are taken for each field, if the user maps none."""

REQUIRED = ("text", "sender")

ROLES = {
    "customer": "customer", "user": "customer", "client": "customer", "contact": "customer", "visitor": "customer",
    "end-user": "customer", "lead": "customer", "incoming": "customer", "agent": "agent", "admin": "agent",
    "human": "agent", "operator": "agent", "staff": "agent", "teammate": "agent", "outgoing": "agent",
    "bot": "bot", "assistant": "bot", "ai": "bot", "system": "system",
}  # fmt: skip
"""What other systems call the roles."""

_CHANNEL = "import"


class CsvImporter:
    """Imports tables of messages."""

    name = "csv"
    description = "Import a table of messages; --map says what its columns are."
    file_help = "messages, .csv or .tsv, with a header"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield each row as a message."""
        separator = "\t" if path.suffix == ".tsv" else ","
        found = columns(path, separator=separator, encoding=options.encoding)
        mapped = _mapping(found, options.columns)
        if isinstance(mapped, Damage):
            yield mapped
            return
        if guessed := tuple(f"{k}={v}" for k, v in mapped.items() if k not in options.columns):
            yield Ambiguity("the fields of these columns are guessed", "they are", "--map", guessed)
        table = _Table(mapped, path.stem, options)
        for place, row in read_rows(path, separator=separator, encoding=options.encoding):
            if isinstance(row, Damage):
                yield row
                continue
            try:
                yield from table.row(row, place)
            except times.TimeFormatError as error:
                yield Damage(place, str(error))
        yield from table.roles.ambiguities()


def _mapping(found: list[str], given: Mapping[str, str]) -> dict[str, str] | Damage:
    """Return the column of each field."""
    if unknown := sorted(set(given) - set(COMMON)):
        return Damage("--map", f"no field {', '.join(unknown)}; there are {', '.join(COMMON)}")
    if missing := sorted(set(given.values()) - set(found)):
        return Damage("header", f"no column {', '.join(missing)}")
    lower = {name.lower().strip(): name for name in reversed(found)}
    mapped = dict(given)
    for name, commons in COMMON.items():
        column = next((lower[each] for each in commons if each in lower), None)
        if column is not None and name not in mapped and column not in mapped.values():
            mapped[name] = column
    if absent := [name for name in REQUIRED if name not in mapped]:
        return Damage("header", f"no column for {', '.join(absent)}; --map states it")
    return mapped


@dataclass
class _Table:
    mapped: Mapping[str, str]
    stem: str
    options: ImportOptions
    _talks: dict[str, Transcript] = field(default_factory=dict)
    _has_asked: bool = False

    def __post_init__(self) -> None:
        self.roles = Roles(self.options)

    def row(self, row: Row, place: str) -> Iterator[Item]:
        """Yield the message of a row. Raises TimeFormatError."""
        text, sender = self._value(row, "text"), self._value(row, "sender")
        if sender is None:
            yield Damage(place, "no sender")
            return
        written = self._value(row, "time")
        at = None if written is None else times.read_time(written, self.options.zone)
        yield from self._ask(written)
        talk = self._talk(row)
        role = ROLES.get((self._value(row, "role") or "").lower())
        person = Person(sender, self._value(row, "name"), role)  # type: ignore[arg-type]
        key = self._value(row, "message_id") or talk.content_key(written or "", sender, text or "")
        replied = self._value(row, "in_reply_to")
        yield from talk.message(
            key, person, text or "", at, place,
            in_reply_to=None if replied is None else talk.message_id(replied),
            payload=self._rest(row) or None,
        )  # fmt: skip

    def _ask(self, written: str | None) -> Iterator[Ambiguity]:
        if self._has_asked or (written is not None and times.has_zone(written)):
            return
        if written is not None and self.options.zone is None:
            self._has_asked = True
            yield Ambiguity(times.MISSING_ZONE, "they are in UTC", "--zone")
        elif written is None:
            self._has_asked = True
            yield Ambiguity(
                "some rows have no time", "they get the time of the import", "--map time="
            )

    def _value(self, row: Row, name: str) -> str | None:
        return row.get(self.mapped.get(name, "")) or None

    def _talk(self, row: Row) -> Transcript:
        key = self.options.conversation_id or self._value(row, "conversation_id") or self.stem
        if key not in self._talks:
            channel = self._value(row, "channel") or _CHANNEL
            given = self.options.conversation_id or ""
            self._talks[key] = Transcript("csv", key, channel, self.roles, given)
        return self._talks[key]

    def _rest(self, row: Row) -> dict[str, str]:
        """Return the columns that no field has."""
        used = set(self.mapped.values())
        return {name: each for name, each in row.items() if each is not None and name not in used}
