"""A simulation against an API that runs already, with the real clock: what is stored is as planned, and what is not is reported.

Most plans begin in the past, so that nothing waits: every call is due at once, in the order of the schedule.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from convolake.cli import app
from convolake.simulation.comparison import Result, compare
from convolake.simulation.installation import serve_api
from convolake.simulation.moments import Moment, exactly
from convolake.simulation.plan import START, Customer, Message, Size, make_plan
from convolake.simulation.play import LoopbackForbiddenError, SameSecondError, Scene
from convolake.simulation.providers import PROVIDERS
from convolake.simulation.providers.base import Body, Provider
from convolake.simulation.providers.whatsapp import WhatsApp
from convolake.simulation.record import load_record, settings_of
from convolake.simulation.running import (
    DIFFERENT_SECONDS,
    MAX_CUSTOMERS,
    REPEAT_SECONDS,
    pace_of,
    simulate_running,
)
from convolake.simulation.schedule import Delivery, Faults, make_schedule
from ingest.client import Client
from ingest.client.answers import Conversation
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.factories import free_port, make_key

NO_FAULTS = Faults()
MUCH = Faults(duplicates=0.4, reorder=0.6, drop_receipts=0.2)
SECOND = 1_000_000
AGO_SECONDS = 60
"""Longer than a plan lasts."""


class Running(NamedTuple):
    """An API that is running, and its client."""

    settings: Settings
    client: Client

    def simulate(
        self,
        provider: Provider,
        size: Size,
        faults: Faults = NO_FAULTS,
        is_lost: Callable[[Delivery], bool] = lambda _: False,
        on_progress: Callable[[int], object] = lambda _: None,
        *,
        is_in_past: bool = True,
        load_seconds: float = 60,
        pause: Callable[[float], object] = lambda _: None,
        now: int | None = None,
        on_note: Callable[[str], object] = lambda _: None,
    ) -> Result:
        pace = pace_of(now or wall_clock(), size.conversations)
        start = pace.start - AGO_SECONDS * is_in_past
        plan = make_plan(7, size, provider, replace(pace, start=start))
        schedule = make_schedule(plan, 7, faults, REPEAT_SECONDS)
        scene = Scene(provider, plan, f"simulated-{pace.first_customer}")
        return simulate_running(
            self.client, scene, schedule, self.settings.warehouse_path,
            on_progress, on_note, is_lost, load_seconds, pause,
        )  # fmt: skip


@contextmanager
def running_api(settings: Settings) -> Iterator[Running]:
    with serve_api(settings, wall_clock) as client:
        yield Running(settings, client)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with running_api(settings_of(tmp_path)) as found:
        yield found


@pytest.mark.parametrize("channel", ["email", "messenger", "sms", "telegram", "whatsapp"])
def test_a_channel_with_faults_is_stored_as_planned(running: Running, channel: str) -> None:
    provider = PROVIDERS[channel]
    size = Size(6, hidden_numbers=0.6 if provider.can_hide_numbers else 0.0)
    faults = MUCH if provider.statuses else replace(MUCH, drop_receipts=0.0)
    result = running.simulate(provider, size, faults)
    assert result.differences == ()
    assert result.facts > 250
    assert result.source == "the API"


@pytest.mark.long
def test_messenger_with_marks_is_stored_as_planned(running: Running) -> None:
    """In real time: a mark names the time that was planned, and only after an answer that was late the time of its call."""
    result = running.simulate(PROVIDERS["messenger"], Size(6), MUCH, is_in_past=False)
    assert result.differences == ()


def test_a_mark_that_is_lost_on_the_way_is_reported(running: Running) -> None:
    """The control: that a customer has read the first answer never arrives."""

    def is_lost(each: Delivery) -> bool:
        return each.key.endswith(".1.bot") and each.status == "read"

    found = running.simulate(PROVIDERS["messenger"], Size(6), is_lost=is_lost).differences
    assert {each.what.partition(".")[2] for each in found} >= {"1.bot: read", "1.bot: state"}


def test_what_is_lost_on_the_way_is_reported(running: Running) -> None:
    """The control: a second message, and the delivery of an answer, never arrive."""

    def is_lost(each: Delivery) -> bool:
        is_delivery = each.key.endswith(".1.bot") and each.status == "delivered"
        return each.key.endswith(".1.2") or is_delivery

    found = running.simulate(PROVIDERS["whatsapp"], Size(6), is_lost=is_lost).differences
    names = {each.what for each in found}
    ends = {each.partition(".")[2] for each in names}
    assert {"1.2", "1.bot: delivered", "1.bot: delivered events"} <= ends
    assert {each.what for each in found if each.expected is None} == set()


class Forgetful(WhatsApp):
    """A provider that gives a message another id when it delivers it again."""

    def __init__(self) -> None:
        self._deliveries = count()

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        return super().message(customer, message, f"{provider_id}{next(self._deliveries) or ''}")


def test_a_message_that_is_stored_twice_is_reported(running: Running) -> None:
    """The control: the first message comes again under another id, which no rule can recognise."""
    found = running.simulate(Forgetful(), Size(1), Faults(duplicates=1.0)).differences
    texts = [
        row["text"] for each in found
        if each.expected is None and isinstance(row := each.found, dict) and "text" in row
    ]  # fmt: skip
    assert texts
    (order,) = (each for each in found if each.what.endswith(": order"))
    assert len(str(order.found).split()) > len(str(order.expected).split())


def test_other_conversations_and_accounts_stay_as_they_are(running: Running) -> None:
    client = running.client
    secrets = PROVIDERS["sms"].secrets
    client.create_channel_account(
        "twilio", "+493055500999", secrets, account_id="shop", options={"account_sid": "AC1"}
    )
    created: list[Conversation] = []

    def write(_: int = 0) -> None:
        if len(created) < 2:
            made = client.create_conversation("whatsapp", conversation_id=f"c{len(created)}")
            created.append(client.conversation(str(made.conversation_id)))

    write()
    result = running.simulate(PROVIDERS["whatsapp"], Size(2), on_progress=write)
    assert result.differences == ()
    assert [client.conversation(each.conversation_id) for each in created] == created
    assert len(created) == 2
    assert [each.account_id for each in client.channel_accounts()] == ["shop"]


@pytest.mark.long
def test_the_warehouse_is_compared_once_it_has_the_events(running: Running) -> None:
    secrets, options = PROVIDERS["sms"].secrets, {"account_sid": "AC1"}
    running.client.create_channel_account(
        "twilio", "+493055500999", secrets, account_id="shop", options=options
    )
    running.client.create_conversation("sms", channel_account="shop")
    load_record(running.settings)
    loads = count(1)

    def load(_: float) -> None:
        next(loads)
        load_record(running.settings)

    sms = PROVIDERS["sms"]
    result = running.simulate(sms, Size(3), MUCH, pause=load)
    assert result.differences == ()
    assert result.source == "the warehouse"
    assert next(loads) == 2
    lost = running.simulate(sms, Size(1), is_lost=lambda each: each.status == "sent", pause=load)
    assert {each.what.partition(": ")[2] for each in lost.differences} == {"submitted events"}


@pytest.mark.long
def test_without_a_load_the_api_is_compared(running: Running) -> None:
    load_record(running.settings)
    result = running.simulate(PROVIDERS["telegram"], Size(1), load_seconds=0)
    assert result.differences == ()
    assert result.source == "the API"


class Elsewhere(WhatsApp):
    """A provider that calls an account which does not exist."""

    def __init__(self, api_url: str) -> None:
        self._url = f"{api_url}/channels/unknown"

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        return replace(super().message(customer, message, provider_id), url=self._url)


def test_without_a_stored_call_no_load_is_waited_for_and_the_reason_is_reported(
    running: Running,
) -> None:
    load_record(running.settings)
    elsewhere, notes, pauses = Elsewhere(running.client.url), list[str](), list[float]()
    result = running.simulate(
        elsewhere, Size(3), load_seconds=1, pause=pauses.append, on_note=notes.append
    )
    assert pauses == []
    (note, *_) = notes
    assert "no conversation was stored" in note
    assert "404 Not Found" in note
    assert {each.found for each in result.differences} <= {None, "not done"}
    assert result.facts > 0


def test_a_second_simulation_in_the_same_second_is_an_error(running: Running) -> None:
    telegram, now = PROVIDERS["telegram"], wall_clock()
    account_id = f"simulated-{pace_of(now, 1).first_customer}"
    given = telegram.adapter, telegram.address, telegram.secrets
    running.client.create_channel_account(*given, account_id=account_id)
    with pytest.raises(SameSecondError):
        running.simulate(PROVIDERS["email"], Size(1), now=now)
    assert [each.account_id for each in running.client.channel_accounts()] == [account_id]


def test_an_api_that_may_not_send_to_loopback_is_an_error_which_says_what_to_set(
    tmp_path: Path,
) -> None:
    with running_api(Settings.model_construct(data=tmp_path)) as running:
        with pytest.raises(
            LoopbackForbiddenError, match=r"CONVOLAKE_WEBHOOK_NETWORKS=127\.0\.0\.0/8"
        ):
            running.simulate(PROVIDERS["whatsapp"], Size(1))
        assert list(running.client.channel_accounts()) == []


def test_a_time_outside_its_range_is_a_difference() -> None:
    posted = Moment(100, 102.5)
    expected = {"a": {"time": posted, "latency": posted.since(exactly(98))}}
    for time, latency in ((100, 1), (102.5, 5.5)):
        assert list(compare(expected, {"a": {"time": time, "latency": latency}})) == []
    for wrong in ((99.9, 0.9), (102.6, 5.6), (None, None)):
        found = compare(expected, {"a": dict(zip(("time", "latency"), wrong, strict=True))})
        assert tuple(each.found for each in found) == wrong
    assert str(posted) == "100 to 102.5"
    assert exactly(102).since(exactly(98)) == exactly(4)


def test_no_two_seconds_have_a_customer_in_common() -> None:
    def numbers(second: int) -> range:
        first = pace_of(second * SECOND, 1).first_customer
        return range(first, first + MAX_CUSTOMERS)

    assert numbers(START + 8).start == numbers(START + 7).stop
    last = make_plan(7, Size(1), WhatsApp(), pace_of((START + DIFFERENT_SECONDS - 1) * SECOND, 1))
    assert len(last[0].customer.phone) <= 15


def simulate(*arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit code, and everything that is printed, in one line."""
    answer = CliRunner().invoke(app, ["simulate", "--channel", "sms", *arguments], env=environment)
    return answer.exit_code, " ".join(re.sub(r"[│╭╮╰╯─]", " ", answer.output).split())


def test_a_key_that_is_not_known_is_an_error(running: Running) -> None:
    code, shown = simulate("--url", running.client.url, CONVOLAKE_API_KEY="ck_wrong")
    assert code == 1
    assert "401 unauthorized" in shown


def test_a_key_without_a_scope_is_an_error(running: Running) -> None:
    key = make_key(running.settings, "conversations:write", "read", "channels:admin")
    code, shown = simulate("--url", running.client.url, CONVOLAKE_API_KEY=key)
    assert code == 1
    assert "pii:read" in shown
    assert list(running.client.channel_accounts()) == []


@pytest.mark.long
def test_an_api_that_does_not_run_is_an_error() -> None:
    """It may be starting: the command waits some seconds."""
    url = f"http://127.0.0.1:{free_port()}"
    code, shown = simulate("--url", url, CONVOLAKE_API_KEY="ck_any")
    assert code == 1
    assert f"no answer from {url}" in shown


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--url", "https://api.shop.example"], "--url: give an API on this machine"),
        (["--url", "http://10.0.0.1:8000"], "--url: give an API on this machine"),
        (["--url", "http://[1:8000"], "--url: give an API on this machine"),
        (["--url", "http://127.0.0.1:8000", "--keep", "x"], "--keep has a meaning only without"),
        (["--url", "http://127.0.0.1:8000", "--conversations", "101"], "at most 100 with --url"),
    ],
)
def test_an_option_that_does_not_fit_is_an_error(arguments: list[str], reason: str) -> None:
    code, shown = simulate(*arguments)
    assert code == 2
    assert reason in shown


@pytest.mark.long
def test_the_command_plays_in_real_time_with_a_key_of_four_scopes(running: Running) -> None:
    key = make_key(running.settings, "conversations:write", "read", "channels:admin", "pii:read")
    url = running.client.url.replace("127.0.0.1", "localhost")
    code, shown = simulate(
        *("--url", url, "--conversations", "2", "--reorder", "50%"),
        CONVOLAKE_API_KEY=key, CONVOLAKE_DATA=str(running.settings.data),
    )  # fmt: skip
    assert code == 0, shown
    assert re.search(r"\d+ facts compared with the API: 0 differences", shown)
    assert "there is no warehouse in" in shown
