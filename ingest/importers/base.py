"""The importer seam: reads a file of another system as events, or reports damage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from ingest.contract import Role

DateOrder = Literal["dmy", "mdy", "ymd"]


class ImportedEvent(Struct, frozen=True):
    """An event for `POST /v1/events`, and the place in the file that it comes from.

    `may_exist`: another file or request may have had it, at another time; then it counts as a duplicate.
    """

    event: dict[str, Any]
    place: str
    may_exist: bool = False


@dataclass(frozen=True)
class Damage:
    """A place in the file that could not be read, and why. Reading continues after it if it can."""

    place: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A record that is no event, and why. It is counted, but it is no damage."""

    place: str
    reason: str


@dataclass(frozen=True)
class Ambiguity:
    """What the file does not say, how it is read without an answer, and the option that answers it."""

    question: str
    assumption: str
    option: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What the user says about a file.

    `columns`: the column of each field. `roles`: the role of a name or an id; `*` is everyone else.
    `zone`: of times without a zone. `dates`: order of day, month and year. `starts_at`: of a file without
    times or dates. `encoding`: of lines that are not UTF-8. `conversation_id`: instead of the derived one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    dates: DateOrder | None = None
    starts_at: datetime | None = None
    encoding: str | None = None
    conversation_id: str | None = None


NO_OPTIONS = ImportOptions()

Item = ImportedEvent | Damage | Skipped | Ambiguity


class Importer(Protocol):
    """Reads one format.

    Event ids are derived from the file, so reading it again gives the same events: an import may be
    repeated after a crash without duplicates. Events of a conversation are in order.
    """

    name: str
    """The command: `convolake import NAME`."""

    description: str
    """Help of the command, one sentence."""

    file_help: str
    """Help of its argument: which files or folders."""

    def read(self, path: Path, options: ImportOptions) -> Iterator[Item]:
        """Yield the events of a file or folder, lazily and in order. Raises OSError."""
