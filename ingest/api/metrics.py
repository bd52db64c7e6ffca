"""Counters of the API for Prometheus, one registry for each application."""

from collections import Counter as Counts

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from ingest.log.submission import Acknowledgement
from ingest.log.writer import Writer


class Metrics:
    """What is counted; `docs/reference.md` is printed from the registry."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self._came = Counter(
            "convolake_events_came",
            "Events counted at the door, before anything is parsed.",
            registry=self.registry,
        )
        self._events = Counter(
            "convolake_events",
            "Events answered, by what became of them: accepted, duplicate, conflict, rejected.",
            ["status"],
            registry=self.registry,
        )
        self._by_status = {
            status: self._events.labels(status)
            for status in ("accepted", "duplicate", "conflict", "rejected")
        }
        self._position = Gauge(
            "convolake_log_position",
            "Position of the newest durable event.",
            registry=self.registry,
        )
        self._commits = Gauge(
            "convolake_log_commits", "Commits of the log since start.", registry=self.registry
        )
        self._waiting = Gauge(
            "convolake_log_waiting_events", "Events that wait for a commit.", registry=self.registry
        )

    def watch(self, writer: Writer) -> None:
        """Take the gauges from `writer` whenever somebody looks."""
        self._position.set_function(lambda: writer.position)
        self._commits.set_function(lambda: writer.commits)
        self._waiting.set_function(lambda: writer.waiting)

    def came(self, count: int) -> None:
        """Count events at the door."""
        self._came.inc(count)

    def count(self, answers: list[Acknowledgement]) -> None:
        """Count answers by status."""
        for status, count in Counts(answer.status for answer in answers).items():
            self._by_status[status].inc(count)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
