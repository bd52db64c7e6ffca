"""Reads real files with the importers, and keeps what each format gave for the table of `make imports`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ingest.events.draft import Draft, validate_draft
from ingest.importers import IMPORTERS
from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent, ImportOptions, Item

DATA = Path(__file__).parents[2] / "shared/data"
"""Third-party data next to the checkout."""

_READ: dict[tuple[str, Path], Counter[str]] = {}
"""Counts of each format and file or folder."""

COLUMNS = ("files", "events", "messages", "damage")


def read(name: str, path: Path, options: ImportOptions = NO_OPTIONS) -> list[Item]:
    """What an importer reads; every event is one that the log accepts, with an id of its own."""
    importer = next(each for each in IMPORTERS if each.name == name)
    items = list(importer.read(path, options))
    made = [item.event for item in items if isinstance(item, ImportedEvent)]
    for event in made:
        validate_draft(msgspec.convert(event, Draft), None)
    assert len({event["event_id"] for event in made}) == len(made)
    if DATA in path.parents:
        _READ[name, path] = _count(path, made, items)
    return items


def _count(path: Path, made: list[dict[str, Any]], items: list[Item]) -> Counter[str]:
    return Counter(
        files=sum(each.is_file() for each in path.rglob("*")) if path.is_dir() else 1,
        events=len(made),
        messages=sum(event["event_type"] == "message.created" for event in made),
        damage=sum(isinstance(item, Damage) for item in items),
    )


def table() -> Iterator[str]:
    """Yield a table in Markdown: what each format gave. The tests hold it against another reading."""
    yield f"| format | {' | '.join(COLUMNS)} |"
    yield f"|---|{'--:|' * len(COLUMNS)}"
    for name in sorted({name for name, _ in _READ}):
        counts = sum((each for (read_as, _), each in _READ.items() if read_as == name), Counter())
        yield f"| {name} | {' | '.join(f'{counts[column]:,}' for column in COLUMNS)} |"
