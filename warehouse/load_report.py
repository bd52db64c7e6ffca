"""The result of a load."""

from dataclasses import dataclass, field

from warehouse.ledger import Damaged


@dataclass
class LoadReport:
    """The result of a load; `rows` are those written, by model.

    `events`: those that were stored. `late_events`: of those, the ones of days before the newest known day.
    `rebuilt`: every event was loaded again; `backfilled`: models that were built again from stored events.
    """

    segments: int = 0
    events: int = 0
    conversations: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    duplicate_events: int = 0
    rejected_events: int = 0
    quarantined_events: int = 0
    late_events: int = 0
    restated_days: int = 0
    rebuilt: bool = False
    backfilled: list[str] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)

    @property
    def received_events(self) -> int:
        """The events of the waiting segments: stored, duplicate, rejected or quarantined."""
        return self.events + self.duplicate_events + self.rejected_events + self.quarantined_events
