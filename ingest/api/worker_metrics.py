"""The metrics of all workers, in each of them: a scraper reaches whichever takes its connection."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import Metric
from prometheus_client.samples import Sample

from ingest.api.metrics import Metrics

Samples = Mapping[str, Sequence[tuple[str, dict[str, str], float]]]
"""By name of the metric: the name, the labels and the value of each sample."""


class WorkerMetrics(Metrics):
    """The metrics of this worker, and the others' as they last reported them; the label `worker` has the number."""

    def __init__(self, number: int, *sources: Any) -> None:
        """Start without others. `sources`: as of `Metrics`."""
        self._number = number
        self._others: dict[int, Samples] = {}
        super().__init__(*sources)

    def report(self) -> dict[str, Any]:
        """Return the message by which the others learn this worker's metrics."""
        samples = {
            metric.name: [(each.name, each.labels, each.value) for each in metric.samples]
            for metric in super().collect()
        }
        return {"worker": self._number, "metrics": samples}

    def note(self, message: Mapping[str, Any]) -> None:
        """Keep what another worker reports; not what an earlier worker of this number did."""
        if message["worker"] != self._number:
            self._others[message["worker"]] = message["metrics"]

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with the values of all workers."""
        for metric in super().collect():
            own = [(each.name, each.labels, each.value) for each in metric.samples]
            by_worker = {self._number: own} | {
                number: samples.get(metric.name, ()) for number, samples in self._others.items()
            }
            metric.samples = [
                Sample(name, {**labels, "worker": str(number)}, value)
                for number, samples in sorted(by_worker.items())
                for name, labels, value in samples
            ]
            yield metric
