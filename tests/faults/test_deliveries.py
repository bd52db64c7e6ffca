"""kill -9 between a commit and its delivery: webhooks and subscribers miss no event."""

import random
import signal
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing, suppress

import httpx2
import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.delivery.destinations.webhook import UNRECORDED_EVENTS
from ingest.log.cursor import encode_cursor
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.factories import Clock, Record
from tests.faults.checker import AcknowledgedEvents, check
from tests.faults.conftest import Found
from tests.faults.processes import CONVERSATIONS, Load, open_conversations, running
from tests.webhook_receiver import Receiver, webhook_receiver

NEAR = '["127.0.0.0/8"]'


def positions(settings: Settings) -> dict[str, list[int]]:
    """The positions that a webhook of messages must deliver, by conversation."""
    sql = "select conversation_id, position from events where event_type = 'message.created' order by 2"
    found: dict[str, list[int]] = defaultdict(list)
    for row in Record(settings, Clock()).log(sql):
        found[row["conversation_id"]].append(row["position"])
    return found


def first_arrivals(receiver: Receiver) -> dict[str, list[int]]:
    """Positions by conversation, in the order in which they came for the first time."""
    found: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for each in receiver.accepted:
        if each.id not in seen:
            seen.add(each.id)
            found[each.event["conversation_id"]].append(each.event["position"])
    return found


def deliver_through_kills(
    settings: Settings,
    receiver: Receiver,
    cycles: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Kill the API again and again while it is written to, then let it deliver in peace.

    Returns how many events were delivered twice.
    """
    key = get_or_create_local_key(settings, wall_clock())
    acknowledged = AcknowledgedEvents()
    for cycle in range(cycles):
        with (
            running(settings, CONVOLAKE_WEBHOOK_NETWORKS=NEAR) as process,
            Client(settings.url, key) as client,
        ):
            client.wait_until_ready()
            if cycle == 0:
                open_conversations(client)
                made = httpx2.post(
                    f"{settings.url}/v1/webhooks",
                    json={"url": receiver.url, "event_types": ["message.created"]},
                    headers=client.headers,
                )
                assert made.status_code == 201
            enough = random.randint(20, 100)  # noqa: S311 (when to kill)
            with Load(settings, key, acknowledged, f"d{cycle}", enough) as load:
                assert load.enough.wait(60)
                process.send_signal(signal.SIGKILL)
        process.wait()
        meanwhile()
    wanted = sum(map(len, positions(settings).values()))
    # A failed assertion names the missing events.
    with running(settings, CONVOLAKE_WEBHOOK_NETWORKS=NEAR), suppress(pytest.fail.Exception):
        wait_until(lambda: len(receiver.ids) >= wanted, 60, "all is delivered")
    return len(receiver.accepted) - len(receiver.ids)


@pytest.mark.fault("deliveries")
@pytest.mark.timeout(900)
def test_kills_between_commit_and_delivery_lose_no_event_and_keep_the_order(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    most_twice = cycles(3, 30) * UNRECORDED_EVENTS
    with webhook_receiver() as receiver:
        twice = deliver_through_kills(settings, receiver, cycles(3, 30))
        wanted, arrived = positions(settings), first_arrivals(receiver)
    count = sum(map(len, wanted.values()))
    lost = count - sum(map(len, arrived.values()))
    found(
        cycles=cycles(3, 30),
        acknowledged=count,
        lost=lost,
        note=f"{count:,} events delivered in the order of their conversations; {twice:,} were delivered twice, "
        f"with the same id (at most {UNRECORDED_EVENTS} after a kill: {most_twice:,})",
    )
    assert count > 20 * cycles(3, 30)
    assert arrived == wanted
    assert twice <= most_twice


@pytest.mark.control("deliveries")
@pytest.mark.timeout(300)
def test_control_a_webhook_with_its_cursor_in_memory_loses_events(
    settings: Settings, whole: bool, found: Found
) -> None:
    if not whole:
        pytest.skip("it waits half a minute for what never comes: `make prove` does")

    def forget() -> None:
        """The cursor after a restart, if it was in memory only."""
        with closing(sqlite3.connect(settings.store_path)) as store:
            (newest,) = store.execute("select max(position) from events").fetchone()
            store.execute("update webhooks set cursor = ?", [encode_cursor({0: newest})])
            store.execute("delete from webhook_queue")
            store.commit()

    with webhook_receiver() as receiver:
        deliver_through_kills(settings, receiver, 4, forget)
        count = sum(map(len, positions(settings).values()))
        lost = count - len(receiver.ids)
    found(loss=f"its place in memory: {lost} of {count} events never delivered in 4 cycles")
    assert lost > 0


class StoppedError(Exception):
    """The test is over."""


class Listening(threading.Thread):
    """A subscriber that reconnects after every restart, and records the sequences in the order received."""

    def __init__(self, settings: Settings, key: str, conversation_id: str) -> None:
        super().__init__()
        self.received: list[int] = []
        self.conversation_id = conversation_id
        self._is_over = threading.Event()
        self._client = Client(settings.url, key, retries=0, wait=self._pause)

    def _pause(self, _seconds: float) -> None:
        if self._is_over.wait(0.05):
            raise StoppedError

    def run(self) -> None:
        with suppress(StoppedError), self._client:
            for event in self._client.listen(self.conversation_id, after=0):
                self.received.append(event["sequence"])

    def stop(self) -> None:
        """Once the API is gone."""
        self._is_over.set()
        self.join(20)


@pytest.mark.fault("listeners")
@pytest.mark.timeout(900)
def test_subscribers_get_sequences_1_to_n_through_kills(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    key = get_or_create_local_key(settings, wall_clock())
    acknowledged = AcknowledgedEvents()
    listeners = [
        Listening(settings, key, CONVERSATIONS[number % len(CONVERSATIONS)]) for number in range(14)
    ]
    for cycle in range(cycles(3, 30)):
        with running(settings) as process, Client(settings.url, key) as client:
            client.wait_until_ready()
            if cycle == 0:
                open_conversations(client)
                for each in listeners:
                    each.start()
            enough = random.randint(20, 100)  # noqa: S311 (when to kill)
            with Load(settings, key, acknowledged, f"l{cycle}", enough) as load:
                assert load.enough.wait(60)
                process.send_signal(signal.SIGKILL)
    with running(settings), Client(settings.url, key) as client:
        client.wait_until_ready()
        last = {name: client.conversation(name).last_sequence for name in CONVERSATIONS}
        expected = [list(range(1, last[each.conversation_id] + 1)) for each in listeners]
        wait_until(
            lambda: [each.received for each in listeners] == expected,
            60,
            "every event is received once",
        )
    for each in listeners:
        each.stop()
    verdict = check(acknowledged, settings)
    found(
        cycles=cycles(3, 30),
        **verdict.figures(),
        note=f"{len(listeners)} subscribers received {sum(map(len, expected)):,} events, each 1 to n, none twice",
    )
    assert verdict.ok, verdict


@pytest.mark.control("listeners")
@pytest.mark.timeout(300)
def test_control_subscribers_that_resume_at_the_newest_event_miss_events(
    settings: Settings, found: Found
) -> None:
    """`after` is the cursor of each connection: "latest only", as elsewhere."""
    key = get_or_create_local_key(settings, wall_clock())
    acknowledged = AcknowledgedEvents()
    received: set[int] = set()

    def gone(_: float) -> None:
        raise StoppedError

    def listen() -> None:
        with suppress(StoppedError), Client(settings.url, key, retries=0, wait=gone) as client:
            for event in client.listen(CONVERSATIONS[0]):  # starts with the next event
                received.add(event["sequence"])

    for cycle in range(3):
        with running(settings) as process, Client(settings.url, key) as client:
            client.wait_until_ready()
            if cycle == 0:
                open_conversations(client)
            with Load(settings, key, acknowledged, f"n{cycle}", 60) as load:
                listener = threading.Thread(target=listen)
                listener.start()
                assert load.enough.wait(60)
                process.send_signal(signal.SIGKILL)
        listener.join(20)
    rows = Record(settings, Clock()).log(
        f"select count(*) as n from events where conversation_id = '{CONVERSATIONS[0]}'"
    )
    missing = rows[0]["n"] - len(received)
    found(loss=f"reconnecting from the newest event: {missing} of {rows[0]['n']} events missed")
    assert missing > 0
