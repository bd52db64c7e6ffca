"""Several API processes of one log as they are installed: a log without a gap, though one of them is killed."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from convolake.verify import verify
from ingest.client import ClientError
from ingest.log.storage.engine import is_multi_writer
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.api_server import WAIT, wait_until
from tests.cluster.processes import processes
from tests.factories import Clock, Record, make_conversation, make_event
from tests.webhook_receiver import webhook_receiver

pytestmark = [pytest.mark.allows_loopback, pytest.mark.long]

ALL = "select * from events order by position"


def test_concurrent_writers_and_a_crash_leave_a_log_without_a_gap(settings: Settings) -> None:
    """Six writers share four conversations and retry; one process is killed, and its writers use another."""
    acknowledged: list[tuple[str, str, int]] = []
    with processes(settings, 3) as running:
        clients = running.clients
        for number in range(4):
            list(clients[0].record(make_conversation(f"c{number}", 0)))

        def write(writer: int) -> None:
            client = clients[writer % 3]
            for number in range(60):
                conversation = f"c{number % 4}"
                event = make_event(conversation_id=conversation, event_id=f"w{writer}-{number}")
                try:
                    (result,) = client.record([event])
                except ClientError:
                    client = clients[0]  # the outcome is unknown, so retry
                    (result,) = client.record([event])
                sequence = result.results[0].sequence or 0
                acknowledged.append((conversation, event["event_id"], sequence))
                if writer == 2 and number == 20:
                    running.kill(running.pids[2])

        with ThreadPoolExecutor(6) as writers:
            list(writers.map(write, range(6)))
    rows = Record(settings, Clock()).log(ALL)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    stored = {(row["conversation_id"], row["event_id"], row["sequence"]) for row in rows}
    assert len(acknowledged) == 360
    assert set(acknowledged) <= stored
    for number in range(4):
        sequences = [row["sequence"] for row in rows if row["conversation_id"] == f"c{number}"]
        assert sequences == list(range(1, len(sequences) + 1))
    assert len({(row["source"], row["event_id"]) for row in rows}) == len(rows)
    assert run_in_adbc_process(verify, settings).checks[0].ok


def test_one_process_delivers_webhooks_and_another_takes_over(settings: Settings) -> None:
    with webhook_receiver() as receiver, processes(settings, 2) as running:
        one, other = running.clients
        made = httpx2.post(
            f"{other.url}/v1/webhooks", json={"url": receiver.url}, headers=other.headers
        )
        assert made.status_code == 201
        list(one.record(make_conversation(messages=10)))
        wait_until(lambda: len(receiver.accepted) >= 12, WAIT, "the earlier events")
        leader = running.leader
        running.kill(leader)
        list(other.record([make_event(event_id=f"more-{number}") for number in range(10)]))
        wait_until(
            lambda: len({each.id for each in receiver.accepted}) >= 22, WAIT, "the later events"
        )
        fresh = list(dict.fromkeys(each.event["sequence"] for each in receiver.accepted))
        assert fresh == list(range(1, 23))
        if not is_multi_writer(settings.database_url):
            assert running.leader != leader
