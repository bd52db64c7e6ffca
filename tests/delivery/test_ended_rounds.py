"""A process may end in the middle of a round: few events are delivered again, and none is lost."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from ingest.delivery.destinations.base import Destination, DestinationRegistry
from ingest.delivery.destinations.webhook import UNRECORDED_EVENTS
from ingest.delivery.dispatcher import PAGE_EVENTS, Dispatcher
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.delivery.dispatching import dispatch, webhook_registry
from tests.factories import Clock, Record, make_conversation
from tests.webhook_receiver import Delivery, Receiver

pytestmark = pytest.mark.allows_loopback


@pytest.fixture
def engine(record: Record) -> Iterator[Engine]:
    engine = open_engine(record.settings.database_url)
    yield engine
    engine.dispose()


def _only(registry: DestinationRegistry) -> Destination:
    (found,) = registry.list_destinations()
    return found


async def _run_rounds(dispatcher: Dispatcher, registry: DestinationRegistry) -> None:
    while await dispatcher.run_round(_only(registry)):
        pass


async def _run_until(
    dispatcher: Dispatcher, registry: DestinationRegistry, receiver: Receiver, accepted: int
) -> None:
    """Run rounds, and end them once the receiver has accepted so many deliveries."""
    loop, enough, answer = asyncio.get_running_loop(), asyncio.Event(), receiver.answer

    def count(delivery: Delivery) -> int | bytes | tuple[int, dict[str, str]] | None:
        if len(receiver.accepted) >= accepted:
            loop.call_soon_threadsafe(enough.set)
        return answer(delivery)

    receiver.answer = count
    rounds = asyncio.create_task(_run_rounds(dispatcher, registry))
    await enough.wait()
    rounds.cancel()
    await asyncio.wait([rounds])
    receiver.answer = answer


def _assert_in_order(receiver: Receiver) -> None:
    """Each conversation was delivered in order, apart from repeats."""
    delivered: defaultdict[str, list[int]] = defaultdict(list)
    for each in receiver.accepted:
        sequences = delivered[each.event["conversation_id"]]
        if each.event["sequence"] not in sequences:
            sequences.append(each.event["sequence"])
    assert all(sequences == sorted(sequences) for sequences in delivered.values())


def test_a_round_that_ends_in_the_middle_delivers_few_events_again(
    settings: Settings, clock: Clock, record: Record, engine: Engine, receiver: Receiver
) -> None:
    for number in range(6):
        record.write(make_conversation(f"c{number}", 30))
    registry = webhook_registry(receiver.url, engine, clock)
    end = UNRECORDED_EVENTS * 2 + UNRECORDED_EVENTS // 2

    async def ended(dispatcher: Dispatcher) -> None:
        await _run_until(dispatcher, registry, receiver, end)

    async def restarted(dispatcher: Dispatcher) -> None:
        await _run_rounds(dispatcher, registry)

    assert end < 6 * 30 < PAGE_EVENTS
    dispatch(settings, clock, registry, ended)
    dispatch(settings, clock, registry, restarted)
    assert len(receiver.ids) == 6 * 30
    assert 0 < len(receiver.accepted) - len(receiver.ids) <= UNRECORDED_EVENTS
    _assert_in_order(receiver)


def test_retries_that_end_in_the_middle_deliver_few_events_again(
    settings: Settings, clock: Clock, record: Record, engine: Engine, receiver: Receiver
) -> None:
    conversations = UNRECORDED_EVENTS * 4
    for number in range(conversations):
        record.write(make_conversation(f"c{number}", 1))
    registry = webhook_registry(receiver.url, engine, clock)

    def fail_every_second(delivery: Delivery) -> int:
        return 503 if int(delivery.event["conversation_id"][1:]) % 2 else 200

    async def failed(dispatcher: Dispatcher) -> None:
        receiver.answer = fail_every_second
        await _run_rounds(dispatcher, registry)
        receiver.answer = lambda _: 200

    async def ended(dispatcher: Dispatcher) -> None:
        end = conversations // 2 + UNRECORDED_EVENTS + UNRECORDED_EVENTS // 2
        await _run_until(dispatcher, registry, receiver, end)

    async def restarted(dispatcher: Dispatcher) -> None:
        await _run_rounds(dispatcher, registry)

    dispatch(settings, clock, registry, failed)
    assert len(receiver.ids) == conversations // 2
    clock.forward(minutes=1)
    dispatch(settings, clock, registry, ended)
    dispatch(settings, clock, registry, restarted)
    assert len(receiver.ids) == conversations
    assert 0 < len(receiver.accepted) - len(receiver.ids) <= UNRECORDED_EVENTS


def test_a_delivery_that_fails_holds_back_its_conversation_in_the_rest_of_the_round(
    settings: Settings, clock: Clock, record: Record, engine: Engine, receiver: Receiver
) -> None:
    both = (make_conversation(f"c{number}", UNRECORDED_EVENTS) for number in range(2))
    record.write([event for pair in zip(*both, strict=True) for event in pair])
    registry = webhook_registry(receiver.url, engine, clock)
    failures = iter([503])

    def fail_once(delivery: Delivery) -> int:
        return next(failures, 200) if delivery.event["conversation_id"] == "c1" else 200

    receiver.answer = fail_once

    async def work(dispatcher: Dispatcher) -> None:
        await dispatcher.run_round(_only(registry))
        assert {each.event["conversation_id"] for each in receiver.accepted} == {"c0"}
        clock.forward(minutes=1)
        await _run_rounds(dispatcher, registry)

    dispatch(settings, clock, registry, work)
    assert len(receiver.accepted) == len(receiver.ids) == 2 * UNRECORDED_EVENTS
    _assert_in_order(receiver)
