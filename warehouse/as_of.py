"""The log up to a moment: what was committed until then, so that an earlier report can be made again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.contract import Shard
from ingest.manifest import Segment
from warehouse.ledger import Span

_COLUMNS = ["position", "committed_at"]


def segments_until(lake: Path, segments: Iterable[Segment], until: datetime) -> list[Segment]:
    """Return the segments as they would be if each shard's log had ended at `until`, a time with a zone.

    A shard ends before its first event that was committed later, whatever its clock did after that. A file
    that cannot be read is returned whole: the load quarantines it.
    """
    found: list[Segment] = []
    ended: set[Shard] = set()
    for segment in sorted(segments, key=lambda each: (each.shard, each.first_position)):
        if segment.shard in ended:
            continue
        last = _last_position(lake / segment.path, segment, until)
        if last < segment.last_position:
            ended.add(segment.shard)
        if last >= segment.first_position:
            rows = segment.rows - (segment.last_position - last)
            found.append(replace(segment, last_position=last, rows=rows))
    return found


def _last_position(path: Path, segment: Segment, until: datetime) -> int:
    """Return the last position before the first event that was committed after `until`."""
    try:
        table = pq.read_table(path, columns=_COLUMNS, partitioning=None)
    except (OSError, pa.ArrowException):
        return segment.last_position
    limit = pa.scalar(until, table.schema.field("committed_at").type)
    later = table.filter(pc.greater(table["committed_at"], limit))
    if later.num_rows == 0:
        return segment.last_position
    return int(pc.min(later["position"]).as_py()) - 1


def spans_beyond(whole: Iterable[Segment], truncated: Iterable[Segment]) -> list[Span]:
    """Return the positions that are in the files and not in the truncated segments."""
    ends = {segment.path: segment.last_position for segment in whole}
    return [
        Span(each.shard, each.last_position + 1, ends[each.path])
        for each in truncated
        if each.last_position < ends[each.path]
    ]
