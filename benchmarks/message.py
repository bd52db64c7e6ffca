"""One message, durable before it is acknowledged, against an endpoint that stores nothing."""

from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.generator import Outcome, drive
from benchmarks.paired import Figure, Goal, Size, alternate
from benchmarks.servers import Server, api_server, bare_server, peer_server
from benchmarks.stored import check_stored, create_conversations

CONNECTIONS = (1, 16, 64)
MOST_PER_SECOND = 15_000
"""Requests are made before a run; this many a second are enough for both sides."""

GOALS = {1: Goal(0.4, 0.45), 16: Goal(1.2, 1.6), 64: Goal(1.3, 1.7)}
"""By connections."""

PEER_GOAL = Goal(20, 25)


class Target:
    """One server under load, with all that it said since it started."""

    def __init__(self, server: Server, connections: int, size: Size) -> None:
        """Measure `server` at so many connections."""
        self.outcomes: list[Outcome] = []
        self._server = server
        self._connections = connections
        self._warm_up = size.pick(0.7, 0.2)
        self._seconds = self._warm_up + size.pick(2.3, 0.8)

    def __call__(self, _round: int) -> float:
        """Return the requests per second."""
        outcome = drive(
            self._server,
            "message",
            self._connections,
            requests=int(MOST_PER_SECOND * self._seconds),
            seconds=self._seconds,
            warm_up=self._warm_up,
        )
        self.outcomes.append(outcome)
        return outcome.rate

    def waits(self) -> str:
        """Median of the rounds' latencies."""
        p50 = median(each.p50_ms for each in self.outcomes)
        return f"p50 {p50:.2f} ms, p99 {median(each.p99_ms for each in self.outcomes):.1f} ms"


def measure(size: Size, work: Path) -> list[Figure]:
    """Return the figure at each number of connections; the last one proves that nothing was lost."""
    figures: list[Figure] = []
    acknowledged = 0
    with bare_server(work) as bare, api_server(work / "message") as api:
        create_conversations(api)
        for connections in CONNECTIONS:
            ours, reference = Target(api, connections, size), Target(bare, connections, size)
            pairs = alternate(size, ours, reference)
            acknowledged += sum(each.acknowledged for each in ours.outcomes)
            figures.append(
                Figure(
                    f"message, {connections} connections",
                    "messages acknowledged",
                    "bare FastAPI + pydantic, nothing stored",
                    pairs,
                    GOALS[connections],
                    [f"{ours.waits()} (reference {reference.waits()})"],
                )
            )
        compared, more = _against_the_peer(api, size, work)
        proof = check_stored(api, acknowledged + more)
    return [*figures, replace(compared, notes=[*compared.notes, proof])]


def _against_the_peer(api: Server, size: Size, work: Path) -> tuple[Figure, int]:
    """Return the figure against a commit for each message, and how many `api` acknowledged for it."""
    with peer_server(work) as peer:
        ours, reference = Target(api, CONNECTIONS[-1], size), Target(peer, CONNECTIONS[-1], size)
        pairs = alternate(size, ours, reference)
    figure = Figure(
        f"message, {CONNECTIONS[-1]} connections, × SQLAlchemy",
        "messages acknowledged",
        "FastAPI + SQLAlchemy ORM, one durable commit a message",
        pairs,
        PEER_GOAL,
        [f"{ours.waits()} (reference {reference.waits()})"],
    )
    return figure, sum(each.acknowledged for each in ours.outcomes)
