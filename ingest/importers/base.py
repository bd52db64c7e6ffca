"""The importer seam: reads a file of another system as events, or reports damage."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class ImportedEvent:
    """An event for `POST /v1/events`, and the place in the file that it comes from."""

    event: dict[str, Any]
    place: str


@dataclass(frozen=True)
class Damage:
    """A place in the file that could not be read, and why. Reading continues after it if it can."""

    place: str
    reason: str


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
    """Help of its argument: which files."""

    def read(self, path: Path) -> Iterator[ImportedEvent | Damage]:
        """Yield the events of a file, lazily and in order. Raises OSError."""
