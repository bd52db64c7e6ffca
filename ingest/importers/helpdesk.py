"""What exports of help desks share: tables in a folder or a zip, known by their columns, sorted by time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ingest.events import foreign_times as times
from ingest.importers.base import Ambiguity, Damage, ImportOptions, Item, Skipped
from ingest.importers.csv_table import ROLES
from ingest.importers.tables import Row, columns, read_rows
from ingest.importers.transcript import Person, Roles


@dataclass(frozen=True)
class Kind:
    """A table: its name here, and the columns that it must have."""

    name: str
    needs: frozenset[str]


@dataclass(frozen=True)
class Record:
    """A row and its place."""

    row: Row
    place: str

    def text(self, *names: str) -> str | None:
        """Return the first of these columns that is not empty."""
        return next((value for name in names if (value := self.row.get(name))), None)

    def is_true(self, name: str) -> bool:
        """Return whether a column says yes."""
        return (self.row.get(name) or "").lower() in {"true", "t", "1", "yes"}

    def time(self, options: ImportOptions, *names: str) -> datetime:
        """Return the time in the first of these columns that is not empty. Raises TimeFormatError."""
        return times.read_time(self.text(*names), options.zone)


Reader = Callable[[str, Record | None, list[Record]], Iterator[Item]]
"""Reads one conversation: its id, its row if there is one, and its parts."""


@dataclass
class Tables:
    """The rows of an export, by kind. All of them are in memory: order of time needs the whole export."""

    options: ImportOptions
    records: dict[str, list[Record]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)

    def load(self, path: Path, kinds: tuple[Kind, ...]) -> Iterator[Item]:
        """Read every table. Raises OSError."""
        files = [path] if path.is_file() else sorted(path.rglob("*.csv"))
        for file in files:
            names = columns(file, encoding=self.options.encoding)
            kind = next((each for each in kinds if each.needs <= set(names)), None)
            if kind is None:
                yield Skipped(file.name, f"a table of another kind: {file.name}")
                continue
            for place, row in read_rows(file, encoding=self.options.encoding):
                if isinstance(row, Damage):
                    yield Damage(f"{file.name}, {row.place}", row.reason)
                elif (row.get("_fivetran_active") or "true").lower() == "false":
                    yield Skipped(place, "an older version of the row")
                elif (row.get("_fivetran_deleted") or "false").lower() == "true":
                    yield Skipped(place, "a deleted row")
                else:
                    found = self.records.setdefault(kind.name, [])
                    found.append(Record(row, f"{file.name}, {place}"))
        if not self.records:
            yield Damage("whole export", "none of its tables")
        elif self.options.zone is None:
            yield Ambiguity("times may have no zone", "those are in UTC", "--zone")

    def of(self, name: str) -> list[Record]:
        """Return the rows of a table."""
        return self.records.get(name, [])

    def add_people(self, name: str, role: str | None = None) -> None:
        """Add the rows of a table of people. Without `role` a column says it."""
        for record in self.of(name):
            stated = role or ROLES.get((record.text("role") or "").lower())
            person = Person(record.text("id") or "", record.text("name"), stated)  # type: ignore[arg-type]
            self.people[person.id] = person

    def conversations(self, rows: str, parts: str, column: str, read: Reader) -> Iterator[Item]:
        """Yield what `read` makes of each row and its parts, then of parts whose row is not in the export.

        `rows`, `parts`: names of tables. `column`: names the row of a part.
        """
        grouped: dict[str, list[Record]] = {}
        for record in self.of(parts):
            grouped.setdefault(record.text(column) or "unknown", []).append(record)
        for record in self.of(rows):
            key = record.text("id") or "unknown"
            yield from read(key, record, grouped.pop(key, []))
        for key, rest in grouped.items():
            yield from read(key, None, rest)

    def person(self, number: str | None, role: str | None) -> Person:
        """Return a person by number, with the role that a row states or else a table of people."""
        known = self.people.get(number or "")
        stated = ROLES.get((role or "").lower()) or (known.role if known else None)
        name = known.name if known else None
        return Person(number or f"unknown-{role or 'sender'}", name, stated)  # type: ignore[arg-type]

    def roles(self) -> Roles:
        """Return what decides the roles."""
        return Roles(self.options)


def or_damage(record: Record, items: Iterator[Item]) -> Iterator[Item]:
    """Yield what is made of a row; damage if its time cannot be read."""
    try:
        yield from items
    except times.TimeFormatError as error:
        yield Damage(record.place, str(error))


def by_time(
    records: list[Record], options: ImportOptions, *names: str
) -> tuple[list[tuple[datetime, Record]], list[Damage]]:
    """Return records in order of time, and those without a readable time."""
    dated: list[tuple[datetime, Record]] = []
    damage: list[Damage] = []
    for record in records:
        try:
            dated.append((record.time(options, *names), record))
        except times.TimeFormatError as error:
            damage.append(Damage(record.place, str(error)))
    dated.sort(key=lambda each: each[0])
    return dated, damage
