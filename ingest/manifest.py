"""The manifest: which segments make up the record, and the proof that they are complete."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from ingest.contract import FORMAT_VERSION, Shard, manifest_path


@dataclass(frozen=True)
class Segment:
    """One line of the manifest: a Parquet file and its contents.

    A segment that was compacted from others names them in `replaces`: it has their rows, so
    they are no longer read and their files are removed later.
    """

    path: str
    shard: int
    first_position: int
    last_position: int
    rows: int
    bytes: int
    sha256: str
    sealed_at: str
    format_version: int = FORMAT_VERSION
    replaces: tuple["Segment", ...] = ()

    @property
    def received_on(self) -> date:
        """Return the day of its folder: all its events were received on it."""
        return date.fromisoformat(Path(self.path).parent.name.removeprefix("received_on="))

    def line(self, previous: str) -> tuple[str, str]:
        """Return this entry as a manifest line, and the chain value in it.

        The value also covers the previous line, whose value is `previous`.
        """
        body = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.replaces:
            body["replaces"] = [[each.path, each.sha256] for each in self.replaces]
        else:
            del body["replaces"]
        value = chain_hash(previous, body)
        return json.dumps({**body, "chain": value}, separators=(",", ":")) + "\n", value


class ManifestError(Exception):
    """The manifest is not what the sealer wrote: a line was changed, lost or reordered."""

    def __init__(self, path: Path, number: int, why: str) -> None:
        """Name the invalid line (`number` from 1), its file, and the reason."""
        self.path = path
        self.number = number
        super().__init__(
            f"{path}, line {number}: {why}. Segments before this line can be trusted; "
            "restore the manifest from a backup, or move lake and warehouse away: both are rebuilt from the log."
        )


def chain_hash(previous: str, body: dict[str, Any]) -> str:
    """Return the sha256 of the previous chain value and this entry: a changed line breaks all later ones."""
    text = previous + json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(lake: Path) -> tuple[list[Segment], str]:
    """Return the segments of the record, by shard and position, and the last chain value ("" if empty).

    Compacted segments are in the `replaces` of the segment that took their place. A last line
    without its newline was never committed and is not read.
    Raises ManifestError where the chain breaks, positions have a gap, or a compacted segment
    does not cover exactly the segments that it replaces.
    """
    path = manifest_path(lake)
    record: Record = {}
    last: dict[Shard, int] = {}
    value = ""
    for number, segment, replaced, stated in _entries(path):
        shard, first = segment.shard, segment.first_position
        if replaced:
            segment = _compacted(record, segment, replaced, path, number)
        elif shard in last and first != last[shard] + 1:
            missing = f"position {last[shard] + 1} of shard {shard} is missing"
            raise ManifestError(path, number, missing)
        else:
            last[shard] = segment.last_position
        record[shard, first] = segment
        value = stated
    return [record[key] for key in sorted(record)], value


Record = dict[tuple[Shard, int], Segment]
"""Segments by shard and first position."""


def sealed_cursor(segments: Sequence[Segment]) -> dict[Shard, int]:
    """Return the last sealed position of each shard; `segments` are in the order of `read_manifest`."""
    return {segment.shard: segment.last_position for segment in segments}


def _entries(path: Path) -> Iterator[tuple[int, Segment, list[list[str]], str]]:
    """Yield line number, segment, replaced segments and chain value of each valid line."""
    value = ""
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            body = json.loads(line)
            stated = body.pop("chain")
            value = chain_hash(value, body)
            replaced = body.pop("replaces", [])
            segment = Segment(**body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ManifestError(path, number, "not a manifest entry") from error
        if stated != value:
            raise ManifestError(path, number, "does not agree with its own checksum")
        yield number, segment, replaced, value


def _compacted(
    record: Record, segment: Segment, replaced: list[list[str]], path: Path, number: int
) -> Segment:
    """Return `segment` with the segments that it replaces, and remove them from `record`."""
    old: list[Segment] = []
    position = segment.first_position
    for name in replaced:
        found = record.pop((segment.shard, position), None)
        if found is None or [found.path, found.sha256] != name or found.path == segment.path:
            raise ManifestError(path, number, f"does not replace the segment at {position}")
        old.append(found)
        position = found.last_position + 1
    if position != segment.last_position + 1 or segment.rows != sum(each.rows for each in old):
        raise ManifestError(path, number, "does not hold what it replaces")
    return replace(segment, replaces=tuple(old))


def _whole_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes. Parquet does not detect a flipped bit; this does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(lake: Path, segment: Segment) -> bool:
    """Return whether the segment's file exists with the sha256 of the manifest."""
    try:
        return file_sha256(lake / segment.path) == segment.sha256
    except OSError:
        return False
