"""Calls that are resolved at the same moment, in several processes, agree without talking."""

from collections.abc import Iterator

import pytest

from ingest.channels.addresses import bsuid, phone
from ingest.channels.base import MessageItem
from ingest.identity.binding import BindingSettings
from ingest.identity.resolver import Resolver
from ingest.log.storage.engine import is_multi_writer, open_engine
from ingest.settings import Settings
from tests.factories import Clock
from tests.identity.channel_log import WHATSAPP, ChannelLog

NUMBER, ID = phone("4915112345678"), bsuid("DE.1349")


@pytest.fixture
def others(log: ChannelLog, settings: Settings, clock: Clock) -> Iterator[list[ChannelLog]]:
    """Two API processes: each has a writer on PostgreSQL, and they share the only one on SQLite."""
    if not is_multi_writer(settings.database_url):
        yield [log, log]
        return
    engine = open_engine(settings.database_url)
    other = ChannelLog(engine, settings, clock)
    yield [log, other]
    other.close()
    engine.dispose()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("window", [None, 60], ids=["new person", "after the window"])
def test_two_messages_of_one_moment_make_one_contact_and_one_conversation(
    log: ChannelLog, others: list[ChannelLog], order: tuple[int, ...], window: int | None
) -> None:
    settings = BindingSettings(window_seconds=window)
    if window is not None:
        log.receive(log.message(NUMBER, ID))
        log.clock.forward(minutes=2)
    messages = [log.message(NUMBER, ID), log.message(NUMBER, ID)]
    found = [
        Resolver(each.engine, each.clock).resolve(WHATSAPP, settings, [message])[0]
        for each, message in zip(others, messages, strict=True)
    ]
    stored = [others[each].deliver(messages[each], found[each]) for each in order]

    assert stored[0].place == stored[1].place
    assert [each.statuses[-1] for each in stored] == ["accepted", "accepted"]
    assert len(log.rows("contacts")) == 1
    assert len(log.rows("conversations")) == (1 if window is None else 2)


def test_a_hundred_redeliveries_of_one_moment_are_one_event(log: ChannelLog) -> None:
    message = log.message(NUMBER, ID, name="Ada")
    found = [log.resolver.resolve(WHATSAPP, BindingSettings(), [message])[0] for _ in range(100)]
    stored = [log.deliver(message, each) for each in found]

    assert set(stored[0].statuses) == {"accepted"}
    assert {status for each in stored[1:] for status in each.statuses} == {"duplicate"}


def test_a_number_and_an_id_that_race_with_both_are_proposed_at_the_next_message(
    log: ChannelLog,
) -> None:
    messages: list[MessageItem] = [log.message(NUMBER), log.message(ID, NUMBER)]
    found = [log.resolver.resolve(WHATSAPP, BindingSettings(), [each])[0] for each in messages]
    for message, resolution in zip(messages, found, strict=True):
        log.deliver(message, resolution)
    (both,) = log.receive(log.message(NUMBER, ID))
    (again,) = log.receive(log.message(NUMBER, ID))

    assert both.place == again.place == (found[0].contact_id, found[0].conversation_id)
    assert len(log.rows("merge_proposals")) == 1
