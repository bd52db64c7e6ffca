"""What clients were told against what the record holds, in the manner of Jepsen's set-full."""

import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from ingest.settings import Settings


@dataclass
class AcknowledgedEvents:
    """What the clients know: the sequence of every acknowledged event, and what was never answered.

    An acknowledgement that arrives once the power is being cut counts as no answer: without
    power no server answers. Here the processes live on for a moment, and a flush that the cut
    overtakes may tell them that it went well.
    """

    acknowledged: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    after_the_cut: dict[str, float] = field(default_factory=dict)
    """Seconds after the cut began."""
    cut_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, event_id: str, sequence: int) -> None:
        with self._lock:
            if self.cut_at is None:
                self.acknowledged[event_id] = sequence
            else:
                self.unknown.add(event_id)
                self.after_the_cut[event_id] = time.monotonic() - self.cut_at

    def cut(self) -> None:
        """The power goes."""
        with self._lock:
            self.cut_at = time.monotonic()

    def restore(self) -> None:
        """The power is back."""
        with self._lock:
            self.cut_at = None

    def leave_open(self, event_id: str) -> None:
        with self._lock:
            self.unknown.add(event_id)


@dataclass(frozen=True)
class Verdict:
    """How many events of which kind; `moved` are there with another sequence than was told."""

    acknowledged: int
    unknown: int
    appeared: int
    """Unknown ones that are there."""
    lost: int
    moved: int
    doubled: int
    holes: int
    gone_after_the_cut: list[float] = field(default_factory=list)
    """Events acknowledged without power that are not there: how many seconds after the cut."""

    @property
    def ok(self) -> bool:
        return self.lost == self.moved == self.doubled == self.holes == 0

    def figures(self) -> dict[str, int]:
        """For the proof: what moved is lost, since it is not where the client was told."""
        return {
            "acknowledged": self.acknowledged,
            "unknown": self.unknown,
            "lost": self.lost + self.moved,
            "doubled": self.doubled,
            "holes": self.holes,
        }


Stored = list[tuple[str, str, str | None, int | None, int]]


def check(acknowledged: AcknowledgedEvents, settings: Settings) -> Verdict:
    """Hold the store against what was told. What cannot be read is not there."""
    stored = _read(settings)
    found = {event_id: sequence for _, event_id, _, sequence, _ in stored}
    here = acknowledged.acknowledged.keys() & found.keys()
    times = Counter((source, event_id) for source, event_id, *_ in stored)
    return Verdict(
        acknowledged=len(acknowledged.acknowledged),
        unknown=len(acknowledged.unknown),
        appeared=len(acknowledged.unknown & found.keys()),
        lost=len(acknowledged.acknowledged) - len(here),
        moved=sum(1 for event_id in here if found[event_id] != acknowledged.acknowledged[event_id]),
        doubled=sum(times.values()) - len(times),
        holes=_holes(stored),
        gone_after_the_cut=sorted(
            after for event_id, after in acknowledged.after_the_cut.items() if event_id not in found
        ),
    )


def _read(settings: Settings) -> Stored:
    connection = sqlite3.connect(settings.store_path)
    try:
        return connection.execute(
            "select source, event_id, conversation_id, sequence, position from events"
        ).fetchall()
    except sqlite3.DatabaseError:
        return []  # a power cut may leave an unsynced store without tables, or torn
    finally:
        connection.close()


def _holes(stored: Stored) -> int:
    """Numbers missing below the highest position, and below each conversation's last sequence."""
    places: dict[str | None, list[int]] = {None: [row[4] for row in stored]}
    for _, _, conversation_id, sequence, _ in stored:
        if conversation_id is not None:
            places.setdefault(conversation_id, []).append(sequence or 0)
    return sum(len(set(range(1, max(each) + 1)) - set(each)) for each in places.values() if each)
