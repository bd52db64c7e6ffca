"""Messages of bots and agents reach the customer through a provider: in order, once, or in doubt and said so."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from ingest.accounts.registry import DESTINATION_PREFIX as PREFIX
from ingest.accounts.sends import (
    ChannelSend,
    SendKey,
    SendState,
    change_sends,
    list_parts,
    put_send,
    settle_send,
)
from ingest.channels.base import (
    Account,
    Answer,
    HttpRequest,
    Interpretation,
    OutboundMessage,
    OutboundRequest,
    Person,
    Rejected,
    Retry,
    Sent,
    Unsendable,
)
from ingest.channels.registry import ADAPTERS
from ingest.channels.standard_webhook.adapter import StandardWebhook
from ingest.delivery import queue
from ingest.delivery.channel_registry import requeue
from ingest.delivery.destinations.channel import PARALLEL_KEYS
from ingest.log.cursor import START
from tests.delivery.channel_rig import ChannelRig
from tests.factories import Clock, Record
from tests.webhook_receiver import Delivery, Receiver

pytestmark = pytest.mark.allows_loopback


@pytest.fixture
def rig(record: Record, clock: Clock, receiver: Receiver) -> Iterator[ChannelRig]:
    numbers = iter(range(10_000))
    receiver.answer = lambda _: msgspec.json.encode({"id": f"p{next(numbers)}"})
    rig = ChannelRig(record, clock, receiver)
    yield rig
    rig.close()


class Lines(StandardWebhook):
    """A provider that takes one line at a time, of at most 20 characters."""

    provider = "lines"

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        lines = (message.text or "").splitlines()
        if any(len(line) > 20 for line in lines):
            return Unsendable("a line is too long", "too_long")
        url = account.options["url"]
        return [
            HttpRequest(url=url, headers=[], body=msgspec.json.encode({"text": line}), method="PUT")
            for line in lines
        ]

    def interpret(self, answer: Answer) -> Interpretation:
        if answer.status == 422:
            return Rejected("the provider does not want it", "4711")
        return Sent("line") if answer.status == 200 else Retry(f"status {answer.status}")


@pytest.fixture
def lines(rig: ChannelRig, monkeypatch: pytest.MonkeyPatch) -> ChannelRig:
    """An account of a provider that takes lines, with a conversation."""
    monkeypatch.setitem(ADAPTERS, "lines", Lines())
    rig.add_account("shop", "lines")
    rig.open()
    return rig


def test_a_reply_goes_out_on_the_account_of_the_message_that_it_answers(rig: ChannelRig) -> None:
    rig.add_account("shop")
    rig.add_account("desk", address="desk")
    rig.open(account_id="shop", message_id="first")
    rig.hear("c0", "desk", message_id="second")
    rig.say("c0", "to the last one")
    rig.say("c0", "to the first one", in_reply_to="first")
    rig.deliver("shop")
    assert rig.texts == ["to the first one"]
    rig.deliver("desk")
    assert rig.texts == ["to the first one", "to the last one"]


def test_only_public_new_messages_of_our_side_go_out(rig: ChannelRig) -> None:
    rig.add_account()
    rig.open()
    rig.hear("c0", "shop", text="from the customer")
    rig.say("c0", "a note", visibility="internal")
    rig.say("c0", "an echo of the provider's app", source="channels")
    rig.say(
        "c0", "imported", occurred_at="2029-01-01T00:00:00Z", happened_at="2029-01-01T00:00:00Z"
    )
    rig.say("c0", "a test", is_test=True)
    rig.say("c0", "by an agent", participant_id="tom", participant_role="agent")
    rig.say("c0", "by the bot")
    rig.deliver()
    assert rig.texts == ["by an agent", "by the bot"]


def test_a_sent_message_is_submitted_with_the_providers_id_in_the_same_commit(
    rig: ChannelRig,
) -> None:
    rig.add_account()
    rig.open()
    message = rig.say("c0", "Hello")
    rig.deliver()
    (receipt,) = rig.receipts(message)
    assert receipt[0] == "message.submitted"
    assert receipt[1]["provider_message_id"] == "p0"
    assert "thread" not in receipt[1]
    (row,) = rig.record.log("select * from provider_messages")
    assert (row["provider_id"], row["message_id"]) == ("p0", message["message_id"])
    assert rig.states(message) == ["sent"]


def test_the_provider_gets_the_address_the_reply_and_the_thread(rig: ChannelRig) -> None:
    rig.add_account()
    rig.open(message_id="m1", payload={"provider_id": "wamid.1", "thread": ["t2", "t1"]})
    rig.say("c0", "Hello", in_reply_to="m1", payload={"quick_replies": [{"title": "Yes"}, 7]})
    rig.deliver()
    (body,) = rig.arrived
    assert body["to"] == [{"kind": "external_id", "value": "person-0", "scope": "shop"}]
    assert body["in_reply_to"] == "wamid.1"
    assert body["thread"] == ["t1", "t2"]
    assert [each["title"] for each in body["quick_replies"]] == ["Yes"]
    assert body["is_automatic"] is True


def test_an_address_that_the_customer_gets_later_is_used_at_once(rig: ChannelRig) -> None:
    rig.add_account()
    rig.open()
    rig.say("c0", "to the first address")
    rig.deliver()
    rig.record.write(
        [
            {
                "event_type": "contact.linked",
                "contact_id": "person-0",
                "payload": {"channel": "api", "kind": "phone", "address": "+4915112345678"},
            }
        ]
    )
    rig.say("c0", "to the second address")
    rig.deliver()
    assert [body["to"][0]["value"] for body in rig.arrived] == ["person-0", "+4915112345678"]


def test_conversations_keep_their_order_through_failures(rig: ChannelRig) -> None:
    rig.add_account()
    for number in range(3):
        rig.open(number)
    for step in range(5):
        for number in range(3):
            rig.say(f"c{number}", f"{number}.{step}")
    seen: set[bytes] = set()

    def fail_first(delivery: Delivery) -> int:
        is_new = delivery.body not in seen
        seen.add(delivery.body)
        return 429 if is_new and b".2" in delivery.body else 200

    rig.receiver.answer = fail_first
    rig.deliver(until=lambda: len(rig.texts) == 15)
    for number in range(3):
        assert [each for each in rig.texts if each[0] == str(number)] == [
            f"{number}.{step}" for step in range(5)
        ]


def test_a_long_message_continues_with_the_part_that_was_not_taken(lines: ChannelRig) -> None:
    message = lines.say("c0", "one\ntwo\nthree")
    lines.receiver.answer = lambda each: (
        503 if b"two" in each.body and len(lines.receiver.attempts) < 3 else 200
    )
    lines.deliver(until=lambda: lines.states(message) == ["sent"] * 3)
    assert lines.texts == ["one", "two", "three"]
    assert [each[0] for each in lines.receipts(message)] == ["message.submitted"]


def test_what_the_provider_rejects_failed_with_its_code_and_the_next_message_follows(
    lines: ChannelRig,
) -> None:
    lines.receiver.answer = lambda each: 422 if b"bad" in each.body else 200
    bad, good = lines.say("c0", "bad"), lines.say("c0", "good")
    long = lines.say("c0", "a line of more than 20 characters")
    lines.deliver()
    assert lines.texts == ["good"]
    ((kind, payload),) = lines.receipts(bad)
    assert (kind, payload["error_code"]) == ("message.failed", "4711")
    ((kind, payload),) = lines.receipts(long)
    assert (kind, payload["error_code"]) == ("message.failed", "too_long")
    assert lines.states(bad) == ["failed"]
    assert lines.states(good) == ["sent"]
    assert list(queue.list_queue(lines.engine, PREFIX + "shop", 10, START)) == []


def test_a_message_without_a_known_address_failed(rig: ChannelRig) -> None:
    rig.add_account()
    rig.record.write(
        [{"event_type": "conversation.created", "conversation_id": "c9", "channel": "api",
          "channel_account": "shop"}]
    )  # fmt: skip
    message = rig.say("c9", "Is anybody there?")
    rig.deliver()
    assert [each[0] for each in rig.receipts(message)] == ["message.failed"]
    assert rig.arrived == []


def test_at_most_once_a_lost_answer_leaves_the_message_unknown_and_the_next_one_follows(
    rig: ChannelRig,
) -> None:
    rig.add_account()
    rig.open()
    lost, next_one = rig.say("c0", "lost"), rig.say("c0", "next")
    rig.receiver.answer = lambda each: None if b"lost" in each.body else 200
    rig.deliver()
    rig.clock.forward(days=4)
    rig.deliver()
    assert rig.texts == ["lost", "next"]
    assert [each[0] for each in rig.receipts(lost)] == ["message.unconfirmed"]
    assert rig.states(lost) == ["unknown"]
    assert rig.states(next_one) == ["sent"]


def test_at_least_once_a_lost_answer_is_sent_again_with_the_same_reference(
    rig: ChannelRig,
) -> None:
    rig.add_account(send="at_least_once")
    rig.open()
    message = rig.say("c0", "lost")
    rig.say("c0", "next")
    rig.receiver.answer = lambda _: None if len(rig.receiver.attempts) == 1 else 200
    rig.deliver(until=lambda: len(rig.arrived) == 3)
    assert rig.texts == ["lost", "lost", "next"]
    assert rig.arrived[0]["reference"] == rig.arrived[1]["reference"]
    assert [each[0] for each in rig.receipts(message)] == ["message.submitted"]


def test_without_a_connection_nothing_was_sent_so_it_is_tried_again(rig: ChannelRig) -> None:
    rig.add_account(options={"url": "http://127.0.0.1:1/closed"})
    rig.open()
    message = rig.say("c0", "Hello")
    rig.deliver()
    assert rig.states(message) == ["waiting"]
    assert rig.receipts(message) == []


def interrupt(rig: ChannelRig, message: dict[str, Any], state: SendState = "sending") -> None:
    """Leave the store as a process does that dies while it sends the message."""
    send = ChannelSend(
        account_id="shop", shard=message["shard"], position=message["position"], part=0, parts=1,
        reference="r1", conversation_id=message["conversation_id"],
        message_id=message["message_id"], state=state, attempt=1, at=0,
    )  # fmt: skip
    with rig.engine.begin() as connection:
        for statement, values in put_send(send):
            connection.execute(statement, values)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("policy", "state", "texts"),
    [("at_most_once", "unknown", []), ("at_least_once", "sent", ["Hello"])],
)
def test_after_a_crash_while_it_was_sent_the_policy_decides(
    rig: ChannelRig, policy: str, state: str, texts: list[str]
) -> None:
    rig.add_account(send=policy)
    rig.open()
    message = rig.say("c0", "Hello")
    interrupt(rig, message)
    rig.deliver()
    assert rig.states(message) == [state]
    assert rig.texts == texts
    expected = "message.unconfirmed" if state == "unknown" else "message.submitted"
    assert [each[0] for each in rig.receipts(message)] == [expected]


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_what_was_sent_before_a_crash_is_not_sent_again(rig: ChannelRig, policy: str) -> None:
    rig.add_account(send=policy)
    rig.open()
    messages = [rig.say("c0", f"text {number}") for number in range(3)]
    rig.deliver()
    rig.forget_cursor()
    rig.deliver()
    assert rig.texts == ["text 0", "text 1", "text 2"]
    assert [len(rig.receipts(each)) for each in messages] == [1, 1, 1]


def test_a_callback_settles_a_send_whose_answer_is_missing(rig: ChannelRig) -> None:
    rig.add_account(send="at_least_once")
    rig.open()
    message = rig.say("c0", "Hello")
    interrupt(rig, message)
    rig.execute(settle_send("shop", "r1", "p9", 1))
    rig.deliver()
    assert rig.states(message) == ["sent"]
    assert rig.arrived == []


def test_an_answer_of_429_pauses_the_whole_account_for_as_long_as_it_asks(
    rig: ChannelRig,
) -> None:
    rig.add_account()
    for number in range(20):
        rig.open(number)
        rig.say(f"c{number}", f"text {number}")
    until = rig.clock() + 120_000_000
    rig.receiver.answer = lambda _: 200 if rig.clock() >= until else (429, {"retry-after": "120"})
    rig.deliver(until=lambda: len(rig.texts) == 20)
    early = len(rig.receiver.attempts) - 20
    assert 1 <= early <= PARALLEL_KEYS


def test_bots_send_a_contact_as_many_mails_an_hour_as_the_account_allows(rig: ChannelRig) -> None:
    rig.add_account("inbox", channel="email", automatic_replies_per_hour=2)
    for number in range(2):
        rig.open(number, "inbox", channel="email")
    for text in ("one", "two", "three"):
        rig.say("c0", text)
    rig.say("c1", "to another contact")
    rig.say("c0", "by a person", participant_id="mira", participant_role="agent")
    rig.deliver("inbox")
    assert [each for each in rig.texts if each != "to another contact"] == [
        "one",
        "two",
        "by a person",
    ]
    assert "to another contact" in rig.texts
    (failed,) = rig.record.log("select payload from events where event_type = 'message.failed'")
    assert msgspec.json.decode(failed["payload"])["error_code"] == "loop_guard"
    rig.clock.forward(minutes=61)
    rig.say("c0", "an hour later")
    rig.deliver("inbox")
    assert rig.texts[-1] == "an hour later"


def test_a_mail_that_a_person_has_sent_again_passes_the_loop_guard(rig: ChannelRig) -> None:
    rig.add_account("inbox", channel="email", automatic_replies_per_hour=0)
    rig.open(0, "inbox", channel="email")
    event = rig.say("c0", "stopped")
    rig.deliver("inbox")
    assert rig.texts == []
    key = SendKey("inbox", event["shard"], event["position"])
    (part,) = list_parts(rig.engine, key)
    rig.execute(
        change_sends(key, ["failed"], "waiting", 2, rig.clock()), *requeue(part, rig.clock())
    )
    rig.deliver("inbox")
    assert rig.texts == ["stopped"]


def test_a_chat_has_no_loop_guard(rig: ChannelRig) -> None:
    rig.add_account(automatic_replies_per_hour=0)
    rig.open()
    rig.say("c0", "one")
    rig.deliver()
    assert rig.texts == ["one"]


def test_an_account_keeps_to_its_rate(rig: ChannelRig) -> None:
    rig.add_account(requests_per_second=2.0)
    rig.open()
    for number in range(6):
        rig.say("c0", f"text {number}")
    rig.deliver()
    assert rig.texts == [f"text {number}" for number in range(6)]
    assert sum(rig.slept) == pytest.approx(2.0)


def test_a_disabled_account_sends_nothing(rig: ChannelRig) -> None:
    rig.add_account()
    rig.execute(*[rig.registry.disable(PREFIX + "shop", "an administrator did it", rig.clock())])
    assert not rig.destination().is_enabled
    assert rig.account().disabled_reason == "an administrator did it"
