"""Counters of the API for Prometheus, one registry for each application."""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.delivery.live.broadcaster import Broadcaster
from ingest.hooks.runner import OUTCOMES, HookRunner
from ingest.log.storage.state_reader import unreadable_states
from ingest.log.writer import Writer
from ingest.log.writer_requests import Acknowledgement, Status


class Metrics(Collector):
    """The metrics; `docs/reference.md` is printed from the registry.

    Plain integers that become metrics when Prometheus scrapes them. The client library's counters cost more for each
    event than the state of a conversation does.
    """

    def __init__(
        self,
        writer: Writer | None = None,
        hub: Broadcaster | None = None,
        hooks: HookRunner | None = None,
    ) -> None:
        """Start at zero. Gauges read `writer` and `hub`; hook calls come from `hooks`."""
        self._writer = writer
        self._hub = hub
        self._hooks = hooks
        self._received = 0
        self._refused_calls = 0
        self._by_status: Counter[str] = Counter(dict.fromkeys(get_args(Status), 0))
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def count_received(self, count: int) -> None:
        """Count received events."""
        self._received += count

    def count_refused_call(self) -> None:
        """Count a call of a provider that is not verified."""
        self._refused_calls += 1

    def count_acknowledgements(self, answers: list[Acknowledgement]) -> None:
        """Count answers by status."""
        for answer in answers:
            self._by_status[answer.status] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its current value."""
        yield CounterMetricFamily(
            "convolake_events_received",
            "Events received, counted before parsing.",
            self._received,
        )
        yield CounterMetricFamily(
            "convolake_channel_calls_refused",
            "Calls to channel accounts that were not verified.",
            self._refused_calls,
        )
        acknowledged = CounterMetricFamily(
            "convolake_events",
            "Events acknowledged, by status: accepted, duplicate, conflict, rejected, parked.",
            labels=["status"],
        )
        for status, count in self._by_status.items():
            acknowledged.add_metric([status], count)
        yield acknowledged
        position, commits, waiting = (
            (0, 0, 0)
            if self._writer is None
            else (self._writer.position, self._writer.commits, self._writer.queued_events)
        )
        yield GaugeMetricFamily(
            "convolake_log_position", "Position of the newest durable event.", position
        )
        yield GaugeMetricFamily("convolake_log_commits", "Commits of the log since start.", commits)
        yield GaugeMetricFamily(
            "convolake_log_waiting_events", "Events that wait for a commit.", waiting
        )

        yield GaugeMetricFamily(
            "convolake_live_listeners",
            "Sockets, long polls and webhooks that listen.",
            0 if self._hub is None else self._hub.subscription_count,
        )

        yield self._hook_calls()
        yield self._damaged_states()

    def _damaged_states(self) -> Metric:
        damaged = GaugeMetricFamily(
            "convolake_damaged_states",
            "Stored states that could not be read since start, by outcome: repaired from their events, or lost.",
            labels=["outcome"],
        )
        damaged.add_metric(["repaired"], len(unreadable_states.repaired))
        damaged.add_metric(["lost"], len(unreadable_states.lost))
        return damaged

    def _hook_calls(self) -> Metric:
        calls = CounterMetricFamily(
            "convolake_hook_calls",
            "Hook calls, by outcome: allowed, modified, rejected, failed.",
            labels=["outcome"],
        )
        for outcome in OUTCOMES:
            calls.add_metric([outcome], 0 if self._hooks is None else self._hooks.outcomes[outcome])
        return calls

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
