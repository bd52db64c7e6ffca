"""Messages between the API processes of a log: who is typing, and the metrics of a worker."""

import asyncio
from typing import Any

from ingest.api.dependencies import AppContext
from ingest.api.routes.typing import update_typing
from ingest.api.worker_metrics import WorkerMetrics
from ingest.cluster.peers import Peers

REPORT_SECONDS = 1.0
"""Interval at which a worker reports its metrics."""


def receive_message(api: AppContext, message: dict[str, Any]) -> None:
    """Apply a message of another process."""
    if "metrics" not in message:
        update_typing(api, **message)
    elif isinstance(api.metrics, WorkerMetrics):
        api.metrics.note(message)


async def report_metrics(metrics: WorkerMetrics, peers: Peers) -> None:
    """Send the metrics to the other workers, without end."""
    while True:
        await peers.broadcast(metrics.report())
        await asyncio.sleep(REPORT_SECONDS)
