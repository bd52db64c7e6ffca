"""Calls that are translated together become what they become alone, and one costs the others nothing."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from ingest.accounts import channel_calls
from ingest.accounts.registry import AccountPolicy
from ingest.api.channel_result import CallResult
from ingest.api.channel_translation import ReadCall
from ingest.api.taken_call import TakenCall, build_appends
from ingest.api.translator import Translator
from ingest.channels.addresses import bsuid, email, phone
from ingest.channels.base import Call, Inbound, ReactionItem, UnreadableItem
from ingest.events.draft import Draft
from ingest.identity.binding import BindingSettings
from ingest.log.storage.keyed_rows import EngineReader
from ingest.log.writer_requests import Append
from tests.identity.channel_log import MAIL, WHATSAPP, ChannelLog

ADA, BEN, ID = phone("4915112345678"), phone("4915187654321"), bsuid("DE.1349")
MAIL_OF_ADA = email("ada@shop.example")
CALL = Call(method="POST", url="", headers={}, query={}, body=b"{}")


@pytest.fixture
def translator(log: ChannelLog) -> Translator:
    return Translator(log.engine, log.resolver, 60_000_000)


def read(log: ChannelLog, *items: Inbound, **over: Any) -> ReadCall:
    given: dict[str, Any] = {
        "account": WHATSAPP,
        "policy": AccountPolicy(),
        "call_id": "call",
        "now": log.clock(),
    }
    return ReadCall(items=items, **(given | over))


def drafts_of(result: CallResult | Exception) -> list[Draft]:
    assert isinstance(result, CallResult), result
    return [each.draft for each in result.events if each.draft is not None]


def store(log: ChannelLog, result: CallResult | Exception) -> None:
    log.write(drafts_of(result))


def event_types(result: CallResult | Exception) -> list[str]:
    return [each.event_type for each in drafts_of(result)]


def described(result: CallResult | Exception) -> tuple[Any, ...]:
    """Return a result so that two can be compared: an error equals only itself."""
    assert isinstance(result, CallResult), result
    events = [
        (each.raw, each.draft, each.fingerprint, str(each.error or "")) for each in result.events
    ]
    return events, result.waiting, result.typing


@contextmanager
def before_reading(log: ChannelLog, react: Callable[[], None]) -> Iterator[None]:
    """Call `react` before each reading of the store: each takes a connection of the pool."""

    def note(*_: Any) -> None:
        react()

    event.listen(log.engine, "checkout", note)
    yield
    event.remove(log.engine, "checkout", note)


def count_readings(log: ChannelLog, translator: Translator, reads: Sequence[ReadCall]) -> int:
    readings: list[bool] = []
    with before_reading(log, lambda: readings.append(True)):
        translator.translate_all(reads)
    return len(readings)


def calls_of_many_kinds(log: ChannelLog, translator: Translator) -> list[ReadCall]:
    """Known, new and merged people, two first messages of one person, a thread, a reaction, and bad items."""
    ada, hers = log.receive(log.message(ADA), log.message(ID))
    assert log.merge(str(hers.place[0]), into=str(ada.place[0]))
    log.receive(log.message(MAIL_OF_ADA, thread=("t1",)), account=MAIL)
    known = log.message(BEN)
    store(log, translator.translate(read(log, known)))
    reaction = ReactionItem(
        provider_id="r1", person=known.person, happened_at=None,
        message=known.provider_id, reaction="👍",
    )  # fmt: skip
    bad = UnreadableItem(reason="not an item", raw=b"{}")
    return [
        read(log, log.message(ADA)),
        read(log, log.message(ADA, name="Ada"), bad),
        read(log, log.message(ID), policy=AccountPolicy(binding="contact")),
        read(log, log.message(MAIL_OF_ADA, thread=("t1",)), account=MAIL),
        read(log, log.message(email("new@shop.example"), thread=("t2",)), account=MAIL),
        read(log, log.message(phone("4915100000001"))),
        read(log, log.message(phone("4915100000001"))),
        read(log, reaction),
        read(log, bad),
        read(log),
    ]


def test_each_call_becomes_what_it_becomes_alone(log: ChannelLog, translator: Translator) -> None:
    calls = calls_of_many_kinds(log, translator)
    together = translator.translate_all(calls)
    alone = [translator.translate(each) for each in calls]
    assert list(map(described, together)) == list(map(described, alone))
    assert event_types(together[7]) == ["message.reacted"]
    assert event_types(together[5]) == event_types(together[6]) != ["message.created"]


def test_two_first_messages_of_one_person_leave_one_contact_and_one_conversation(
    log: ChannelLog, translator: Translator
) -> None:
    for result in translator.translate_all([read(log, log.message(ADA)) for _ in range(2)]):
        store(log, result)
    assert len(log.rows("contacts")) == len(log.rows("conversations")) == 1
    (found,) = log.resolver.resolve(WHATSAPP, BindingSettings(), [log.message(ADA)])
    assert found.drafts == ()


def test_many_calls_of_known_people_take_no_more_readings_than_two(
    log: ChannelLog, translator: Translator
) -> None:
    log.receive(log.message(ADA), log.message(BEN))
    reads = [read(log, log.message((ADA, BEN)[n % 2])) for n in range(64)]
    few = count_readings(log, translator, reads[:2])
    assert few == count_readings(log, translator, reads) == 3  # addresses, keys, events


def test_an_event_that_is_in_the_log_is_a_repeat_for_its_call_only(
    log: ChannelLog, translator: Translator
) -> None:
    old, new = log.message(ADA), log.message(ADA)
    store(log, translator.translate(read(log, old)))
    again, first = translator.translate_all([read(log, old), read(log, new)])
    assert [each.text for each in drafts_of(again)] == [None]
    assert [each.text for each in drafts_of(first)] == ["hello"]


def test_an_event_that_another_process_stores_while_the_store_is_read_is_a_repeat(
    log: ChannelLog, translator: Translator
) -> None:
    racing, other = log.message(ADA), log.message(BEN)
    reads = [read(log, racing), read(log, other)]
    stored = translator.translate(reads[0])
    last, done = count_readings(log, translator, reads), itertools.count(1)

    def store_before_the_last_reading() -> None:
        if next(done) == last:
            store(log, stored)

    with before_reading(log, store_before_the_last_reading):
        again, first = translator.translate_all(reads)
    assert len(log.rows("contacts")) == 1
    assert event_types(again) == ["message.created"]
    assert len(event_types(first)) > 1


def test_a_call_that_fails_costs_the_others_nothing(
    log: ChannelLog, translator: Translator
) -> None:
    broken = read(log, log.message(ADA), policy=None)
    fine = read(log, log.message(BEN))
    failed, translated = translator.translate_all([broken, fine])
    assert isinstance(failed, AttributeError)
    assert translated == translator.translate(fine)


def test_calls_are_stored_with_the_outcome_of_their_translation(
    log: ChannelLog, translator: Translator
) -> None:
    def take(each: ReadCall, failure: str | None = None) -> TakenCall:
        prepared = channel_calls.prepare_call("call", WHATSAPP.account_id, 0, CALL)
        return TakenCall(each, failure, CALL.body, prepared)

    half = take(read(log, log.message(ADA)), "the rest cannot be read")
    lost = take(read(log, log.message(BEN), policy=None))
    stored, failed = build_appends(translator, [half, lost], EngineReader(log.engine))
    assert isinstance(failed, AttributeError)
    assert isinstance(stored, Append)
    assert stored.received == stored.outcome.events == len(stored.events) > 2
    assert [str(each.error) for each in stored.events if each.error is not None] == [
        "the rest cannot be read"
    ]
