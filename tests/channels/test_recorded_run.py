"""The run over recorded calls: it counts a call as right only if everything that it says was stored."""

from collections.abc import Iterator
from typing import Any

import pytest

from convolake.recorded_calls import RecordedCall
from ingest.channels.base import Account, Call
from ingest.channels.registry import ADAPTERS
from ingest.clock import wall_clock
from tests.channels.accounts import BODIES, make_account
from tests.channels.recorded_account import RecordedAccount
from tests.channels.recorded_comparison import Comparison
from tests.channels.recorded_damage import NO_UPDATE, NOT_JSON, expected_reason
from tests.channels.recorded_judges import JUDGES, forgeries, verdict
from tests.channels.recorded_mail_readings import MAIL_READERS, sent_at
from tests.channels.recorded_readings import READERS
from tests.channels.recorded_run import OWN_CALLS, outbound, recorded_calls, running_api
from tests.channels.said import Said

TELEGRAM = BODIES["telegram"][0][1]


@pytest.fixture(scope="module")
def telegram() -> Iterator[RecordedAccount]:
    with running_api() as (http, engine):
        yield RecordedAccount(http, engine, "telegram")


def call_of(body: bytes, name: str = "call") -> RecordedCall:
    return RecordedCall(name=name, body=body, content_type="application/json")


@pytest.mark.allows_loopback
def test_a_call_is_right_if_all_that_it_says_was_stored(telegram: RecordedAccount) -> None:
    assert telegram.outcome(call_of(TELEGRAM)) == "right"
    assert telegram.verdicts["accepted"] > 0
    assert telegram.verdicts["forged"] > 0


@pytest.mark.allows_loopback
@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"text": "another"}, "message.created: another text"),
        ({"at": 1_790_000_001.0}, "message.created: another time"),
        ({"sender": "99"}, "message.created: another sender"),
        ({"author": "agent"}, "message.created: another author"),
        ({"channel": "slack"}, "message.created: another channel"),
        ({"details": {"thread": ["99"]}}, "message.created: another payload"),
        ({"provider_id": "23/99"}, "0 events message.created for one"),
        ({"kind": "message.edited", "provider_id": None}, "0 events message.edited for one"),
    ],
)
def test_a_call_is_wrong_if_something_else_was_stored(
    telegram: RecordedAccount,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    difference: str,
) -> None:
    right = {"channel": "telegram", "provider_id": "23/5", "text": "Hi", "at": 1_790_000_000.0, "sender": "23"}  # fmt: skip
    monkeypatch.setitem(READERS, "telegram", lambda _body: iter([Said(**{**right, **changed})]))
    telegram.outcomes["wrong"] += 1
    assert telegram.outcome(call_of(TELEGRAM)) == f"wrong: {difference}"


def test_what_was_stored_but_not_said_is_noticed() -> None:
    events = [{"event_type": "custom.telegram.poll", "happened_at": "2030-01-01T00:00:00Z"}]
    found = Comparison(None, events, {}).difference([])  # type: ignore[arg-type]
    assert found == "stored, but not said: custom.telegram.poll"


@pytest.mark.allows_loopback
def test_a_damaged_call_has_to_be_rejected_for_the_reason_of_its_damage(
    telegram: RecordedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    telegram.outcomes["rejected"] += 1
    assert telegram.outcome(call_of(b'{"message": {}}')) == f"rejected: {NO_UPDATE}"
    monkeypatch.setattr("tests.channels.recorded_account.expected_reason", lambda *_given: NOT_JSON)
    telegram.outcomes["rejected"] += 1
    outcome = telegram.outcome(call_of(b'{"message": {}}'))
    assert outcome == f"wrong: rejected because of {{'{NO_UPDATE}'}}, not {NOT_JSON}"


@pytest.mark.allows_loopback
def test_a_call_is_wrong_if_the_other_reading_does_not_know_it(telegram: RecordedAccount) -> None:
    telegram.outcomes["wrong"] += 1
    outcome = telegram.outcome(call_of(b'{"update_id": 7, "poll": {}}'))
    assert outcome == "wrong: the other reading fails: KeyError('message')"


@pytest.mark.parametrize(
    ("provider", "body", "reason"),
    [
        ("whatsapp_cloud", b'{"object": 1, "entry": []}}', NOT_JSON),
        ("telegram", b'{"message_id": 1}', NO_UPDATE),
        ("telegram", b'{"update_id": 1}', None),
        ("email", b"Subject: x\r\n\r\ny", None),
    ],
)
def test_the_reason_follows_from_the_damage(provider: str, body: bytes, reason: str | None) -> None:
    assert expected_reason(provider, body) == reason


def signed(provider: str) -> Iterator[tuple[Account, Call]]:
    account = make_account(provider)
    for content_type, body in BODIES[provider]:
        yield account, ADAPTERS[provider].sign(body, content_type, account, wall_clock())


@pytest.mark.parametrize("provider", ADAPTERS)
def test_the_judge_accepts_what_we_sign_and_no_changed_proof(provider: str) -> None:
    for account, call in signed(provider):
        judge = JUDGES[provider]
        assert verdict(judge, call, account)
        changed = dict(forgeries(judge, call))
        assert not verdict(judge, changed["proof"], account)
        assert ("body" in changed) == judge.covers_body


@pytest.mark.parametrize("provider", ADAPTERS)
def test_every_provider_has_a_reading_and_an_account_that_sends(provider: str) -> None:
    assert provider in READERS.keys() | MAIL_READERS.keys()
    assert outbound(ADAPTERS[provider], make_account(provider)) in ("HTTP", "SMTP")


@pytest.mark.parametrize("provider", OWN_CALLS)
def test_a_provider_without_recorded_calls_has_our_own(provider: str) -> None:
    assert next(recorded_calls(provider)).name == "own 0"


def test_a_date_in_the_future_or_without_a_zone_counts_for_nothing() -> None:
    assert sent_at("Mon, 30 Jun 3609 15:33:50 +0600") is None
    assert sent_at("Mon, 4 May 2026 10:00:00 -0000") is None
    assert sent_at("Mon, 4 May 2026 10:00:00 +0200") == 1_777_881_600
