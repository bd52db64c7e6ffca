"""The lake process: a reader of the log whose cursor is the manifest. Never in the API process."""

import fcntl
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pyarrow as pa

from ingest.contract import Cursor
from ingest.lake.compaction_schedule import CompactionScheduler
from ingest.lake.lock import LakeBehindError as LakeBehindError
from ingest.lake.lock import LakeLockedError as LakeLockedError
from ingest.lake.lock import take_lock
from ingest.lake.log_reader import LOG_ERRORS, LogReader, open_log
from ingest.lake.segments import GapError, Lake
from ingest.log.cursor import is_behind
from ingest.log.storage.engine import is_multi_writer
from ingest.manifest import ManifestError, Segment, read_manifest, sealed_cursor
from ingest.seal_request import request_path
from ingest.settings import Settings

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
RETRY_SECONDS = 5.0
API_STOP_SECONDS = 20.0
"""Maximum time that the lake waits at shutdown for the last commit of the API."""


class Sealer:
    """Seals the events that the log has and the lake does not have."""

    def __init__(
        self, log: LogReader, lake: Lake, rows: int, seconds: float, monotonic: Callable[[], float]
    ) -> None:
        """Seal at `rows` events, or `seconds` after the first waiting one was seen."""
        self._log = log
        self._lake = lake
        self._rows = rows
        self._seconds = seconds
        self._monotonic = monotonic
        self._waiting_since: float | None = None

    def step(self, now: datetime) -> list[Segment]:
        """Seal if enough events wait, or the first has waited long enough; return the new segments."""
        head = self._log.head()
        _check_not_behind(head, self._lake.cursor)
        waiting = _distance(self._lake.cursor, head)
        if waiting == 0:
            self._waiting_since = None
            return []
        if self._waiting_since is None:
            self._waiting_since = self._monotonic()
        if waiting < self._rows and self._monotonic() - self._waiting_since < self._seconds:
            return []
        return self.seal_all(now)

    def seal_all(self, now: datetime) -> list[Segment]:
        """Seal everything in the log; return the new segments."""
        sealed: list[Segment] = []
        while (table := self._log.read(self._lake.cursor, self._rows)).num_rows:
            sealed += self._lake.seal(table, now)
        self._waiting_since = None
        return sealed


def _distance(after: Cursor, head: Cursor) -> int:
    """Return how many events lie between two cursors."""
    return sum(position - after.get(shard, 0) for shard, position in head.items())


def _check_not_behind(head: Cursor, sealed: Cursor) -> None:
    for shard, position in sealed.items():
        if position > head.get(shard, 0):
            raise GapError(
                f"shard {shard} of the lake ends at position {position}, the log at "
                f"{head.get(shard, 0)}: it is another log; restore the right one, or move lake and "
                "warehouse away to start over"
            )


def catch_up(settings: Settings, seconds: float = 60.0) -> None:
    """Seal all events of the log: in the lake process if one runs, or else here.

    Raises LakeBehindError after `seconds`, GapError if the log ends before the lake.
    """
    try:
        reader = open_log(settings)
    except FileNotFoundError:
        return
    settings.lake_path.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with reader as log:
        head = log.head()
        _check_not_behind(head, _sealed(settings.lake_path))
        while is_behind(_sealed(settings.lake_path), head):
            if time.monotonic() > deadline:
                raise LakeBehindError("the lake did not seal everything in time; see logs/lake.log")
            _seal_or_request(settings, log)


def _seal_or_request(settings: Settings, log: LogReader) -> None:
    try:
        with take_lock(settings.lake_path / "lake.lock"):
            lake = Lake(settings.lake_path)
            Sealer(log, lake, settings.seal_rows, 0, time.monotonic).seal_all(datetime.now(UTC))
    except LakeLockedError:
        request_path(settings.lake_path).touch()
        time.sleep(POLL_SECONDS / 5)


def _sealed(lake: Path) -> Cursor:
    segments, _ = read_manifest(lake)
    return sealed_cursor(segments)


def run(settings: Settings, stop: Event, lock_seconds: float = 10.0) -> None:
    """Seal until `stop` is set, then once more when the API has stopped.

    Raises LakeLockedError if another process seals for longer than `lock_seconds`. A full or failing
    disk, or a damaged manifest, stops neither the process nor the recording: the lake is opened again
    every few seconds, which drops uncommitted files, and continues where its manifest ends.
    """
    settings.lake_path.mkdir(parents=True, exist_ok=True)
    rounds = CompactionScheduler()
    with take_lock(settings.lake_path / "lake.lock", lock_seconds):
        while not stop.is_set():
            try:
                _seal_until(settings, stop, rounds)
            except (OSError, pa.ArrowException, *LOG_ERRORS, ManifestError, GapError):
                logger.exception("sealing failed; trying again in %s s", RETRY_SECONDS)
                stop.wait(RETRY_SECONDS)


def _seal_until(settings: Settings, stop: Event, rounds: CompactionScheduler) -> None:
    lake = Lake(settings.lake_path)
    if not _wait_for_log(settings, stop):
        return
    with open_log(settings) as log:
        sealer = Sealer(log, lake, settings.seal_rows, settings.seal_seconds, time.monotonic)

        def seal_meanwhile() -> bool:
            _report(_seal_if_due(sealer, settings.lake_path))
            return not stop.is_set()

        while not stop.wait(POLL_SECONDS):
            seal_meanwhile()
            rounds.step(lake, seal_meanwhile)
        if not is_multi_writer(settings.database_url):  # else other processes still write
            _wait_for_api_end(settings.lock_path)
        _report(sealer.seal_all(datetime.now(UTC)))


def _seal_if_due(sealer: Sealer, lake: Path) -> list[Segment]:
    request = request_path(lake)
    if not request.exists():
        return sealer.step(datetime.now(UTC))
    sealed = sealer.seal_all(datetime.now(UTC))
    request.unlink(missing_ok=True)  # not if it fails: then the request is met later
    return sealed


def _report(sealed: list[Segment]) -> None:
    for segment in sealed:
        logger.info("sealed %s: %d events, %d bytes", segment.path, segment.rows, segment.bytes)


def _wait_for_log(settings: Settings, stop: Event) -> bool:
    """Wait until the API has created its tables; False if `stop` was set before."""
    while True:
        try:
            with open_log(settings) as log:
                log.head()
        except (FileNotFoundError, *LOG_ERRORS):
            if stop.wait(POLL_SECONDS):
                return False
        else:
            return True


def _wait_for_api_end(lock_path: Path) -> None:
    """Return when no process holds the log's lock, at the latest after API_STOP_SECONDS."""
    deadline = time.monotonic() + API_STOP_SECONDS
    with lock_path.open("a") as file:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.05)
            else:
                return
    logger.warning("the API still runs; what it commits from here on is sealed at the next start")
