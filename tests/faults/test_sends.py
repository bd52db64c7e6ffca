"""kill -9 while messages go out to a provider: at most once sends none twice, at least once loses none."""

import random
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec
import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.egress import signing
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.factories import Clock, Record, make_event
from tests.faults.conftest import Found
from tests.faults.processes import running
from tests.webhook_receiver import Delivery, Receiver, webhook_receiver

NEAR = '["127.0.0.0/8"]'
POLICIES = ("at_most_once", "at_least_once")
CONVERSATIONS = 8
MESSAGES = 160
"""Messages to send in each cycle, half of them under each policy."""

ANSWER_SECONDS = 0.004
"""Time that the provider takes, so that a kill mostly finds requests on their way."""


@dataclass
class Result:
    """What the provider and the log know in the end, for one policy."""

    sent: int
    twice: int
    lost: int
    unknown: int
    unknown_arrived: int
    out_of_order: int


class Sending:
    """Two accounts, one of each policy, whose provider outlives the API."""

    def __init__(self, settings: Settings, receiver: Receiver, variant: str | None = None) -> None:
        self.settings = settings
        self.receiver = receiver
        self.variant = variant
        self.key = get_or_create_local_key(settings, wall_clock())
        self.count = 0
        receiver.answer = self._answer

    def _answer(self, _: Delivery) -> bytes:
        time.sleep(ANSWER_SECONDS)
        return b'{"id":"p%d"}' % len(self.receiver.attempts)

    def kill_in_the_middle(self, cycle: int) -> None:
        """Start the API, give it messages to send, and kill it after some of them."""
        with _api(self.settings, self.key, self.variant) as (process, client):
            if cycle == 0:
                self._set_up(client)
            seen = len(self.receiver.attempts)
            self._say(client, cycle)
            enough = seen + random.randint(1, MESSAGES - 1)  # noqa: S311 (when to kill)
            wait_until(lambda: len(self.receiver.attempts) >= enough, 60, "some are sent")
            process.send_signal(signal.SIGKILL)

    def finish(self) -> None:
        """Let it send the rest in peace."""
        with _api(self.settings, self.key, self.variant):
            wait_until(lambda: not self._open_messages(), 120, "every send has a result")

    def _set_up(self, client: Client) -> None:
        for policy in POLICIES:
            account = {
                "provider": "webhook", "account_id": policy, "address": "shop",
                "options": {"url": self.receiver.url},
                "secrets": {"signing_secret": signing.new_secret()},
                "policy": {"send": policy},
            }  # fmt: skip
            url = f"{self.settings.url}/v1/channels"
            made = httpx2.post(url, json=account, headers=client.headers)
            assert made.status_code == 201, made.text
        results = list(client.record([each for policy in POLICIES for each in _people(policy)]))
        assert [each.rejected for each in results] == [0]

    def _say(self, client: Client, cycle: int) -> None:
        events = [
            make_event(
                conversation_id=f"{POLICIES[number % 2]}.{number // 2 % CONVERSATIONS}",
                participant_id="helper",
                participant_role="bot",
                text=f"{cycle:03}-{number:04}",
            )
            for number in range(MESSAGES)
        ]
        assert [each.rejected for each in client.record(events)] == [0]
        self.count += MESSAGES

    def _log(self, sql: str) -> list[dict[str, Any]]:
        return Record(self.settings, Clock()).log(sql)

    def _open_messages(self) -> int:
        decided = self._log(
            "select count(*) as n from channel_sends where state in ('sent', 'unknown')"
        )
        return self.count - int(decided[0]["n"])

    def result(self, policy: str) -> Result:
        """Compare what arrived with what was to be sent."""
        said = self._log(
            "select conversation_id, message_id, text from events where event_type = 'message.created' "
            f"and participant_role = 'bot' and channel_account = '{policy}' order by position"
        )
        unknown = {
            each["message_id"]
            for each in self._log(
                f"select message_id from channel_sends where account_id = '{policy}' and state = 'unknown'"
            )
        }
        arrived: defaultdict[str, list[str]] = defaultdict(list)
        for each in self.receiver.attempts:
            body = msgspec.json.decode(each.body)
            arrived[body["to"][0]["value"]].append(body["text"])
        texts = {(each["conversation_id"], each["text"]): each["message_id"] for each in said}
        count = Counter(
            (conversation, text)
            for conversation, each in arrived.items()
            if conversation.startswith(policy)
            for text in each
        )
        missing = {key for key in texts if key not in count}
        return Result(
            sent=len(texts),
            twice=sum(number > 1 for number in count.values()),
            lost=sum(texts[key] not in unknown for key in missing),
            unknown=len(unknown),
            unknown_arrived=len(unknown) - sum(texts[key] in unknown for key in missing),
            out_of_order=sum(
                list(dict.fromkeys(each)) != sorted(set(each)) for each in arrived.values()
            ),
        )


@contextmanager
def _api(
    settings: Settings, key: str, variant: str | None
) -> Iterator[tuple["subprocess.Popen[bytes]", Client]]:
    """The API, ready, and a client of it."""
    with (
        running(settings, variant=variant, CONVOLAKE_WEBHOOK_NETWORKS=NEAR) as process,
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        yield process, client


def _people(policy: str) -> Iterator[dict[str, Any]]:
    """A customer with an address in each conversation; the address is the conversation's id."""
    for number in range(CONVERSATIONS):
        who = f"{policy}.{number}"
        here = {"conversation_id": who, "channel": "api", "channel_account": policy}
        yield {"event_type": "contact.created", "contact_id": who}
        yield {
            "event_type": "contact.linked", "contact_id": who,
            "payload": {"channel": "api", "address": who},
        }  # fmt: skip
        yield make_event("conversation.created", contact_id=who, **here)
        yield make_event(contact_id=who, **here)


@pytest.mark.fault("sends")
@pytest.mark.timeout(900)
def test_kills_while_messages_are_sent_send_none_twice_or_lose_none_as_the_policy_says(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    count = cycles(3, 30)
    with webhook_receiver() as receiver:
        sending = Sending(settings, receiver)
        for cycle in range(count):
            sending.kill_in_the_middle(cycle)
        sending.finish()
    once, again = (sending.result(policy) for policy in POLICIES)
    found(
        cycles=count,
        acknowledged=sending.count,
        unknown=once.unknown + again.unknown,
        lost=once.lost + again.lost,
        doubled=once.twice,
        note=f"at most once: {once.sent:,} messages, {once.twice} sent twice, {once.lost} lost, {once.unknown} left "
        f"unknown, {once.unknown_arrived} of which had arrived; at least once: {again.sent:,} messages, "
        f"{again.twice} sent twice, {again.lost} lost, {again.unknown} left unknown; in order in every conversation",
    )
    assert (once.twice, once.lost, once.out_of_order) == (0, 0, 0), once
    assert (again.lost, again.unknown, again.out_of_order) == (0, 0, 0), again
    assert once.unknown > 0 or count < 30, "no kill found a request on its way"


@pytest.mark.control("sends")
@pytest.mark.timeout(300)
def test_control_sends_without_a_record_before_the_request_are_repeated(
    settings: Settings, whole: bool, found: Found
) -> None:
    if not whole:
        pytest.skip("`make prove` runs it")
    with webhook_receiver() as receiver:
        sending = Sending(settings, receiver, "unjournaled")
        for cycle in range(5):
            sending.kill_in_the_middle(cycle)
        sending.finish()
    once = sending.result("at_most_once")
    found(
        loss=f"no record before a request: {once.twice} of {once.sent} messages sent twice in 5 cycles"
    )
    assert once.twice > 0
