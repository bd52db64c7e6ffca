"""Each worker shows the metrics of all: its own as they are now, the others' as they reported them."""

from prometheus_client import generate_latest

from ingest.api.worker_metrics import WorkerMetrics


def received_by(metrics: WorkerMetrics) -> list[str]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return [each for each in lines if each.startswith("convolake_events_received_total")]


def test_a_worker_shows_its_own_metrics_and_those_that_others_reported() -> None:
    first, second = WorkerMetrics(1), WorkerMetrics(2)
    second.count_received(3)
    first.note(second.report())
    second.count_received(4)
    first.count_received(1)
    assert received_by(first) == [
        'convolake_events_received_total{worker="1"} 1.0',
        'convolake_events_received_total{worker="2"} 3.0',
    ]


def test_a_worker_does_not_show_what_an_earlier_one_of_its_number_reported() -> None:
    earlier, metrics = WorkerMetrics(1), WorkerMetrics(1)
    earlier.count_received(9)
    metrics.note(earlier.report())
    metrics.count_received(1)
    assert received_by(metrics) == ['convolake_events_received_total{worker="1"} 1.0']
