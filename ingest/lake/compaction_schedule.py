"""When compaction runs: hourly in the lake process, or at once on request."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ingest.lake import compaction
from ingest.lake.lock import LakeBehindError, LakeLockedError, take_lock
from ingest.lake.segments import Lake
from ingest.manifest import ManifestError
from ingest.settings import Settings

logger = logging.getLogger(__name__)

COMPACT_SECONDS = 3600.0
"""Interval at which the lake process checks for closed days."""

ASK_SECONDS = 0.1


class CompactionScheduler:
    """Decides when compaction runs: at once, then hourly, and on request.

    Outlives a sealer that failed, so that a full disk is not tried every few seconds.
    """

    def __init__(self) -> None:
        """Make the first compaction due at once."""
        self._next = 0.0

    def step(self, lake: Lake, go_on: Callable[[], bool]) -> None:
        """Compact and remove what is due; `go_on` lets the sealer work in between."""
        if self._is_due(lake.path):
            try:
                _compact(lake, go_on)
            except ManifestError:
                # Sealing can continue; `convolake verify` reports the error.
                logger.exception("nothing is compacted")
            finally:
                _request_path(lake.path).unlink(missing_ok=True)

    def _is_due(self, lake: Path) -> bool:
        if time.monotonic() < self._next and not _request_path(lake).exists():
            return False
        self._next = time.monotonic() + COMPACT_SECONDS
        return True


def compact_now(settings: Settings, seconds: float = 600.0) -> None:
    """Compact every closed day: in the lake process if one runs, or else here.

    Raises LakeBehindError if that takes longer than `seconds`.
    """
    settings.lake_path.mkdir(parents=True, exist_ok=True)
    try:
        with take_lock(settings.lake_path / "lake.lock"):
            _compact(Lake(settings.lake_path), lambda: True)
    except LakeLockedError:
        _ask(_request_path(settings.lake_path), seconds)


def _ask(request: Path, seconds: float) -> None:
    request.touch()
    deadline = time.monotonic() + seconds
    while request.exists():
        if time.monotonic() > deadline:
            raise LakeBehindError("the lake did not compact; see logs/lake.log")
        time.sleep(ASK_SECONDS)


def _compact(lake: Lake, go_on: Callable[[], bool]) -> None:
    for segment in compaction.compact(lake, datetime.now(UTC), go_on):
        logger.info(
            "compacted %d segments into %s: %d events, %d bytes",
            len(segment.replaces), segment.path, segment.rows, segment.bytes,
        )  # fmt: skip
    removed = compaction.remove_replaced(lake.path, datetime.now(UTC))
    if removed:
        logger.info("removed %d segments that were compacted before", len(removed))


def _request_path(lake: Path) -> Path:
    """Return the file that requests compaction: create it, and it is removed when the work is done."""
    return lake / "compact.request"
