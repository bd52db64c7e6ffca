"""Every destination keeps one contract; a new one needs a builder here and nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import ClauseElement, ColumnElement, Engine, RowMapping, select, true

from ingest.contract import Cursor
from ingest.delivery import queue
from ingest.delivery.destinations.base import (
    Delivered,
    Destination,
    DestinationRegistry,
    Disabled,
    Interpretation,
    Rejected,
    Request,
    Retry,
    Skip,
)
from ingest.delivery.dispatcher import Dispatcher
from ingest.egress.client import EgressResult
from ingest.log import queries
from ingest.log.cursor import START
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.delivery.dispatching import dispatch, webhook_registry
from tests.factories import Clock, Record, make_conversation
from tests.webhook_receiver import Delivery, Receiver


class TextDestination:
    """The smallest destination: the text of each message, in order of its channel."""

    kind = "webhook"
    destination_id = "text"
    is_enabled = True
    requests_per_second = None
    parallel_keys = 8
    unrecorded_events = 2

    def __init__(self, url: str) -> None:
        self.url = url
        self.cursor: Cursor = START

    def wants(self, event: RowMapping) -> bool:
        return bool(event["event_type"] == "message.created")

    def load(self, events: Sequence[RowMapping]) -> None:
        """Nothing is needed."""

    def is_loaded(self, event: RowMapping) -> bool:
        return True

    def ordering_key(self, event: Mapping[str, Any] | RowMapping) -> str:
        return str(event["channel"])

    def prepare(self, event: RowMapping, attempt: int) -> Request | Skip:
        headers = [(b"webhook-id", str(event["event_id"]).encode())]
        return Request(self.url, headers, str(event["text"]).encode())

    def interpret(self, result: EgressResult) -> Interpretation:
        if result.is_success:
            return Delivered()
        if result.status == 422:
            return Rejected("the receiver does not accept this text")
        return Retry(result.error or f"status {result.status}", result.retry_after)


class TextRegistry:
    """One text destination, in memory."""

    def __init__(self, destination: TextDestination) -> None:
        self.only = destination

    def list_destinations(self) -> list[TextDestination]:
        return [self.only]

    def get_destination(self, destination_id: str) -> TextDestination | None:
        return self.only if destination_id == self.only.destination_id else None

    def exists(self, destination_id: str) -> ColumnElement[bool]:
        return true()

    def save_cursor(self, destination_id: str, cursor: Cursor) -> ClauseElement:
        self.only.cursor = cursor
        return select(1)

    def disable(self, destination_id: str, reason: str, now: int) -> ClauseElement:
        self.only.is_enabled = False
        return select(1)


def _text(url: str, engine: Engine, clock: Clock) -> DestinationRegistry:
    return TextRegistry(TextDestination(url))


BUILDERS = {"webhook": webhook_registry, "text": _text}


@pytest.fixture
def engine(record: Record) -> Iterator[Engine]:
    """A log with three messages in each of two conversations."""
    record.write([*make_conversation("c1", 3), *make_conversation("c2", 3)])
    engine = open_engine(record.settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=BUILDERS)
def registry(
    request: pytest.FixtureRequest, engine: Engine, receiver: Receiver, clock: Clock
) -> DestinationRegistry:
    return BUILDERS[request.param](receiver.url, engine, clock)


@pytest.fixture
def destination(registry: DestinationRegistry) -> Destination:
    (found,) = registry.list_destinations()
    return found


@pytest.fixture
def wanted(engine: Engine, destination: Destination) -> list[RowMapping]:
    rows = queries.read_log(engine, START, 100)
    return [row for row in rows if destination.wants(row)]


def result(status: int | None, retry_after: int | None = None) -> EgressResult:
    return EgressResult(status, None if status else "no answer", 0.1, retry_after)


def test_an_event_is_the_same_request_at_every_attempt(
    destination: Destination, wanted: list[RowMapping]
) -> None:
    assert wanted
    for event in wanted:
        first, later = destination.prepare(event, 1), destination.prepare(event, 9)
        assert isinstance(first, Request)
        assert isinstance(later, Request)
        assert (first.url, first.body) == (later.url, later.body)


def test_the_events_of_a_conversation_share_an_ordering_key(
    destination: Destination, wanted: list[RowMapping]
) -> None:
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for event in wanted:
        keys[event["conversation_id"]].add(destination.ordering_key(event))
    assert len(keys) == 2
    assert all(len(each) == 1 for each in keys.values())


def test_every_response_has_a_meaning(destination: Destination) -> None:
    assert destination.interpret(result(200)) == Delivered()
    assert isinstance(destination.interpret(result(503)), Retry)
    assert isinstance(destination.interpret(result(None)), Retry)
    asked = destination.interpret(result(429, retry_after=20))
    assert isinstance(asked, Retry)
    assert asked.retry_after == 20
    for status in range(100, 600):
        meaning = destination.interpret(result(status))
        assert isinstance(meaning, Delivered | Retry | Rejected | Disabled)
        assert isinstance(meaning, Delivered) == (200 <= status < 300)


@pytest.mark.allows_loopback
def test_the_dispatcher_delivers_every_wanted_event_in_order_through_failures(
    settings: Settings,
    clock: Clock,
    engine: Engine,
    registry: DestinationRegistry,
    wanted: list[RowMapping],
    receiver: Receiver,
) -> None:
    seen: set[bytes] = set()

    def fail_first(delivery: Delivery) -> int:
        is_new = delivery.headers["webhook-id"].encode() not in seen
        seen.add(delivery.headers["webhook-id"].encode())
        return 503 if is_new else 200

    receiver.answer = fail_first

    async def work(dispatcher: Dispatcher) -> None:
        (destination,) = registry.list_destinations()
        for _ in range(40):
            while await dispatcher.run_round(registry.list_destinations()[0]):
                pass
            clock.forward(minutes=10)
            if len(receiver.accepted) == len(wanted):
                break
        await dispatcher.run_round(registry.list_destinations()[0])
        left = queue.list_queue(engine, destination.destination_id, 10, START, is_dead=False)
        assert list(left) == []

    dispatch(settings, clock, registry, work)
    (destination,) = registry.list_destinations()
    bodies: defaultdict[str, list[bytes]] = defaultdict(list)
    for event in wanted:
        request = destination.prepare(event, 1)
        assert isinstance(request, Request)
        bodies[destination.ordering_key(event)].append(request.body)
    arrived = [each.body for each in receiver.accepted]
    assert len(arrived) == len(wanted)
    for own in bodies.values():
        assert [body for body in arrived if body in own] == own
    assert len(receiver.attempts) == 2 * len(wanted)


@pytest.mark.allows_loopback
def test_a_rejected_event_is_a_dead_letter_at_once_and_the_next_one_follows(
    settings: Settings, clock: Clock, engine: Engine, receiver: Receiver
) -> None:
    registry = TextRegistry(TextDestination(receiver.url))
    receiver.answer = lambda _: 422 if len(receiver.attempts) == 1 else 200

    async def work(dispatcher: Dispatcher) -> None:
        while await dispatcher.run_round(registry.only):
            pass

    dispatch(settings, clock, registry, work)
    dead = queue.list_queue(engine, "text", 10, START, is_dead=True)
    assert len(list(dead)) == 1
    assert len(receiver.attempts) == 6
