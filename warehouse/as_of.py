"""The log up to a moment: what was committed until then, so that an earlier report can be made again."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.manifest import Segment
from warehouse.ledger import Span

_COLUMNS = ["position", "committed_at"]


def segments_until(lake: Path, segments: Iterable[Segment], until: datetime) -> list[Segment]:
    """Return the segments as they would be if the log had ended at `until`, a time with a zone."""
    return list(_truncated(lake, segments, until))


def _truncated(lake: Path, segments: Iterable[Segment], until: datetime) -> Iterator[Segment]:
    for segment in segments:
        last = _last_position(lake / segment.path, until)
        if last is None:
            continue
        yield replace(
            segment, last_position=last, rows=segment.rows - (segment.last_position - last)
        )


def _last_position(path: Path, until: datetime) -> int | None:
    """Return the last position that was committed until then; None if all events are later."""
    table = pq.read_table(path, columns=_COLUMNS, partitioning=None)
    limit = pa.scalar(until, table.schema.field("committed_at").type)
    earlier = table.filter(pc.less_equal(table["committed_at"], limit))
    return None if earlier.num_rows == 0 else int(pc.max(earlier["position"]).as_py())


def spans_beyond(whole: Iterable[Segment], truncated: Iterable[Segment]) -> list[Span]:
    """Return the positions that are in the files and not in the truncated segments."""
    ends = {segment.path: segment.last_position for segment in whole}
    return [
        Span(each.shard, each.last_position + 1, ends[each.path])
        for each in truncated
        if each.last_position < ends[each.path]
    ]
