"""10,000 subscribers, one kill -9, and all of them reconnect at once."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.auth.permissions import Caller, User
from ingest.auth.tokens import UserTokens, get_or_create_token_secret
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.factories import make_event
from tests.faults.checker import AcknowledgedEvents, Verdict, check
from tests.faults.conftest import Found
from tests.faults.processes import running
from tests.faults.subscribers import Poller, Subscribers, Target, open_files

pytestmark = pytest.mark.timeout(900)

SOCKETS, QUICK_SOCKETS = 10_000, 300
BACK_SECONDS = 90.0
"""After the kill, all are level with the log again within so long."""

PATIENT, HASTY = 30.0, 10.0
"""Seconds that our client waits for a response or a socket, and the usual value elsewhere."""

RATE = 500
"""Events a second that are posted during the reconnects."""

DESK = "desk"
"""The source of the key that half of them share."""

DOWN = {"ConnectError", "ReadError", "RemoteProtocolError"}
"""What a client gets while no server answers."""


class Posting(threading.Thread):
    """A message to every conversation, again and again until it is acknowledged."""

    def __init__(
        self, client: Client, acknowledged: AcknowledgedEvents, names: Sequence[str], number: int
    ) -> None:
        super().__init__()
        self.half = threading.Event()
        """Half of it is acknowledged."""
        self._client, self._told = client, acknowledged
        self._events = [
            make_event(conversation_id=each, event_id=f"{each}-{number}") for each in names
        ]

    def run(self) -> None:
        batch = len(self._events) // 20
        start, done = time.monotonic(), 0
        for result in self._client.record(self._events, batch):
            for event, answer in zip(self._events[done:], result.results, strict=False):
                self._told.acknowledge(event["event_id"], answer.sequence or 0)
            done += len(result.results)
            if done >= len(self._events) // 2:
                self.half.set()
            time.sleep(max(0.0, start + done / RATE - time.monotonic()))


@dataclass
class Storm:
    """The result; `back_in` and `down_for` are seconds since the kill."""

    acknowledged: AcknowledgedEvents
    listeners: Subscribers
    asking: Poller
    last: int
    """The sequence of every conversation's last event."""
    opened_in: float
    down_for: float
    back_in: float
    counted: int
    """How many listen, as the API says."""

    @property
    def received(self) -> list[list[int]]:
        return [each.received for each in self.listeners.all]

    @property
    def missing(self) -> int:
        return sum(len(set(range(1, self.last + 1)) - set(each)) for each in self.received)

    @property
    def doubled(self) -> int:
        return sum(len(each) - len(set(each)) for each in self.received)

    def figures(self, verdict: Verdict) -> dict[str, int]:
        """Lost and doubled on disk, or on the way to a listener."""
        return {"lost": verdict.lost + self.missing, "doubled": verdict.doubled + self.doubled}

    def note(self) -> str:
        failures = self.listeners.failures
        return (
            f"{len(self.received):,} subscribers received {sum(map(len, self.received)):,} events, each 1 to n; "
            f"opened in {self.opened_in:.0f} s; down for {self.down_for:.1f} s; all back "
            f"{self.back_in:.0f} s after the kill, of {sum(failures.values()):,} failed attempts "
            f"{failures['429']:,} for the limit of a key; a reader at the same time waited for at most "
            f"{self.asking.longest:.1f} s, and got {dict(self.asking.answers)}"
        )


def places(settings: Settings, names: Sequence[str]) -> list[Target]:
    """A customer with a token listens to every other one, in haste; one key listens to the rest."""
    grant = Grant(frozenset({"read"}))
    key = create_key(open_engine(settings.database_url), DESK, wall_clock(), grant)
    tokens = UserTokens(get_or_create_token_secret(settings), wall_clock)
    ends = wall_clock() + 3_600_000_000
    caller = Caller("local", frozenset({"admin"}))
    return [
        Target(name, tokens.issue(caller, User(name, frozenset({name}), "customer", ends)), HASTY)
        if number % 2
        else Target(name, key, PATIENT)
        for number, name in enumerate(names)
    ]


@contextmanager
def serving(settings: Settings, limit: int) -> Iterator[Any]:
    """The API, with a limit for each key, and begun with few open files."""
    with running(settings, files=256, CONVOLAKE_REQUESTS_PER_SECOND=str(limit)) as process:
        yield process


def kill_with_all_connected(settings: Settings, count: int, *, naive: bool = False) -> Storm:
    """Kill the API in the middle of a round of messages, restart it, and wait for the reconnects.

    The key that half of them share may open fewer sockets at once than it has. If `naive`, they come
    back to what is newest then, and there is no limit.
    """
    open_files(count + 500)
    key, acknowledged = get_or_create_local_key(settings, wall_clock()), AcknowledgedEvents()
    names = [f"s{number}" for number in range(count)]
    limit = 0 if naive else count // 25
    listeners = Subscribers(settings, places(settings, names), key if naive else "")
    with serving(settings, limit) as process, Client(settings.url, key, retries=30) as client:
        client.wait_until_ready()
        create(client, acknowledged, names)
        with listeners, Poller(settings, key, names[0]) as asking:
            opened_in = time_until_live(listeners)
            posting = Posting(client, acknowledged, names, 1)
            posting.start()
            assert posting.half.wait(120)
            process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            process.wait()
            with serving(settings, limit):
                client.wait_until_ready()
                down_for = time.monotonic() - killed
                time_until_live(listeners)
                back_in = time.monotonic() - killed
                posting.join(120)
                Posting(client, acknowledged, names, 2).run()
                last = client.conversation(names[0]).last_sequence
                all_received(listeners, last)
                counted = count_subscribers(client)
    return Storm(acknowledged, listeners, asking, last, opened_in, down_for, back_in, counted)


def create(client: Client, acknowledged: AcknowledgedEvents, names: Sequence[str]) -> None:
    """The conversations, and a first message in each."""
    events = [
        event
        for name in names
        for event in (
            make_event("conversation.created", conversation_id=name, event_id=f"{name}-created"),
            make_event(conversation_id=name, event_id=f"{name}-0"),
        )
    ]
    answers = [each for result in client.record(events) for each in result.results]
    for event, answer in zip(events, answers, strict=True):
        acknowledged.acknowledge(event["event_id"], answer.sequence or 0)


def time_until_live(listeners: Subscribers) -> float:
    """How long it took until all were level with the log."""
    start = time.monotonic()
    wait_until(lambda: listeners.live == len(listeners.all), 240, "all listen")
    return time.monotonic() - start


def all_received(listeners: Subscribers, last: int) -> None:
    """Return when every subscriber received the last event of its conversation."""
    received = [each.received for each in listeners.all]
    wait_until(
        lambda: all(each[-1:] == [last] for each in received), 120, "the last event is received"
    )


def count_subscribers(client: Client) -> int:
    """Return the number of open subscriptions, from the metrics."""
    text = httpx2.get(f"{client.url}/metrics", headers=client.headers).text
    return int(float(text.rpartition("convolake_live_listeners ")[2].split()[0]))


@pytest.mark.fault("reconnect")
def test_all_subscribers_reconnect_automatically_and_miss_no_event(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    count = cycles(QUICK_SOCKETS, SOCKETS)
    storm = kill_with_all_connected(settings, count)
    verdict = check(storm.acknowledged, settings)
    found(cycles=1, **(verdict.figures() | storm.figures(verdict)), note=storm.note())
    assert verdict.ok, verdict
    assert storm.received == [list(range(1, storm.last + 1))] * count
    assert storm.counted == count
    assert storm.back_in < BACK_SECONDS, storm.note()
    assert storm.listeners.failures.keys() <= {"unreachable", "408", "429"}
    assert storm.asking.answers.keys() <= {"200", *DOWN}, storm.asking.answers
    assert storm.asking.answers["200"] > 0
    assert storm.asking.longest < PATIENT, storm.note()


@pytest.mark.control("reconnect")
def test_control_a_client_that_reconnects_without_its_last_sequence_misses_events(
    settings: Settings, found: Found
) -> None:
    storm = kill_with_all_connected(settings, QUICK_SOCKETS, naive=True)
    expected = QUICK_SOCKETS * storm.last
    found(
        loss=f"reconnecting from the newest event: {storm.missing} of {expected:,} events missed by "
        f"{QUICK_SOCKETS} subscribers"
    )
    assert check(storm.acknowledged, settings).ok
    assert storm.missing > 0
