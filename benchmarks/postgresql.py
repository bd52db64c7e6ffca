"""One message to a log in PostgreSQL, against the same to a log in SQLite, both on this machine."""

from pathlib import Path

from benchmarks.message import Target
from benchmarks.paired import Figure, Goal, Size, alternate
from benchmarks.servers import api_server
from benchmarks.stored import create_conversations
from tests.postgres_server import postgres_server, programs

CONNECTIONS = 16
GOAL = Goal(0.6, 0.8)


def measure(size: Size, work: Path) -> list[Figure]:
    """Return the figure; none where PostgreSQL is not installed."""
    if programs() is None:
        return []
    with (
        postgres_server() as database,
        api_server(work / "postgresql", store_url=database.create()) as ours,
        api_server(work / "sqlite") as reference,
    ):
        create_conversations(ours)
        create_conversations(reference)
        here, there = Target(ours, CONNECTIONS, size), Target(reference, CONNECTIONS, size)
        pairs = alternate(size, here, there)
    return [
        Figure(
            f"message, {CONNECTIONS} connections, PostgreSQL × SQLite",
            "messages acknowledged",
            "the same API with its log in SQLite",
            pairs,
            GOAL,
            [f"{here.waits()} (reference {there.waits()})"],
        )
    ]
