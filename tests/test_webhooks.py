"""Webhooks: every event arrives signed, in the order of its conversation and with the same id."""

import os
import random
import time
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.contract import from_micros
from ingest.delivery.circuit_breaker import FAILURE_THRESHOLD, CircuitBreaker
from ingest.delivery.retry_policy import SCHEDULE, next_attempt_at
from ingest.events import projections
from ingest.log.cursor import encode_cursor
from ingest.log.storage.engine import open_engine
from ingest.log.storage.state_reader import unreadable_states
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, run_server, wait_until
from tests.factories import Clock, Ids, damage, make_conversation, make_event
from tests.webhook_receiver import Receiver, webhook_receiver

WHOLE = bool(os.environ.get("PROVE"))


pytestmark = [pytest.mark.allows_loopback, pytest.mark.usefixtures("fast_polling")]


def create_webhook(installation: Installation, receiver: Receiver, **over: Any) -> dict[str, Any]:
    answer = installation.post("/v1/webhooks", {"url": receiver.url} | over)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def wait_for_deliveries(receiver: Receiver, count: int, seconds: float = WAIT) -> None:
    wait_until(lambda: len(receiver.accepted) >= count, seconds, f"{count} deliveries")


def deliveries(
    installation: Installation, made: dict[str, Any], status: str = "waiting"
) -> list[dict[str, Any]]:
    path = f"/v1/webhooks/{made['webhook_id']}/deliveries?status={status}"
    found: list[dict[str, Any]] = installation.http.get(path).json()["items"]
    return found


def test_every_event_arrives_in_order_and_signed(
    installation: Installation, receiver: Receiver
) -> None:
    made = create_webhook(installation, receiver)
    installation.post_events(make_conversation(messages=3) + make_conversation("c2", messages=3))
    wait_for_deliveries(receiver, 10)
    assert receiver.sequences("c1") == [1, 2, 3, 4, 5]
    assert receiver.sequences("c2") == [1, 2, 3, 4, 5]
    verifier = Verifier(made["secret"])
    for each in receiver.accepted:
        at = from_micros(installation.clock())
        expected = verifier.sign(each.id, at, each.body.decode())
        assert each.headers["webhook-signature"] == expected
    assert len({each.id for each in receiver.accepted}) == 10


def test_a_delivery_contains_the_same_event_as_the_events_route(
    installation: Installation, receiver: Receiver
) -> None:
    create_webhook(installation, receiver)
    installation.post_events(make_conversation(messages=1))
    wait_for_deliveries(receiver, 3)
    page = installation.http.get("/v1/conversations/c1/events").json()["items"]
    control = {"owner": "none", "participant_id": None, "epoch": 1}
    assert [each.event for each in receiver.accepted] == [
        event | {"control": control} for event in page
    ]


def test_only_the_subscribed_event_types_are_delivered(
    installation: Installation, receiver: Receiver
) -> None:
    create_webhook(installation, receiver, event_types=["message.created"], channels=["email"])
    installation.post_events(
        make_conversation(messages=1) + make_conversation("c2", 2, channel="email")
    )
    wait_for_deliveries(receiver, 2)
    assert {each.event["conversation_id"] for each in receiver.accepted} == {"c2"}
    assert {each.event["event_type"] for each in receiver.accepted} == {"message.created"}


def test_a_failed_delivery_blocks_its_own_conversation_only_and_is_retried_unchanged(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    made = create_webhook(installation, receiver, event_types=["message.created"])
    receiver.answer = lambda each: 500 if each.event["conversation_id"] == "c1" else 200
    installation.post_events(make_conversation(messages=3) + make_conversation("c2", messages=3))
    wait_for_deliveries(receiver, 3)
    assert receiver.sequences("c2") == [3, 4, 5]
    wait_until(lambda: len(deliveries(installation, made)) == 3, WAIT, "three queued deliveries")
    assert len(receiver.attempts) == 4
    receiver.answer = lambda _: 200
    clock.forward(seconds=SCHEDULE[0] * 1.2)
    wait_for_deliveries(receiver, 6)
    assert receiver.sequences("c1") == [3, 4, 5]
    first, again = [each for each in receiver.attempts if each.event["event_id"] == "c1-m0"]
    assert (first.id, first.body) == (again.id, again.body)
    wait_until(lambda: deliveries(installation, made) == [], WAIT, "an empty delivery queue")


def test_every_delivery_attempt_is_an_event(installation: Installation, receiver: Receiver) -> None:
    create_webhook(installation, receiver, event_types=["message.created"])
    receiver.answer = lambda _: 500 if len(receiver.attempts) == 1 else 200
    installation.post_events(make_conversation(messages=1))
    wait_until(lambda: len(receiver.attempts) == 1, WAIT, "the first attempt")
    installation.clock.forward(seconds=10)
    wait_for_deliveries(receiver, 1)
    wait_until(lambda: stored_count(installation) == 5, WAIT, "two stored attempts")
    installation.post_events([make_event()])
    wait_for_deliveries(receiver, 2)
    assert len(receiver.attempts) == 3  # delivery events are not delivered


def stored_count(installation: Installation) -> int:
    return int(installation.http.get("/v1/ingest-stats").json()["stored"])


def test_a_410_disables_the_webhook_until_it_is_enabled(
    installation: Installation, receiver: Receiver
) -> None:
    made = create_webhook(installation, receiver, event_types=["message.created"])
    path = f"/v1/webhooks/{made['webhook_id']}"
    receiver.answer = lambda _: 410
    installation.post_events(make_conversation(messages=1))
    wait_until(lambda: installation.http.get(path).json()["disabled_at"], WAIT, "it is disabled")
    installation.post_events([make_event()])
    receiver.answer = lambda _: 200
    assert len(receiver.attempts) == 1
    assert installation.post(f"{path}/enable", None).status_code == 200
    installation.clock.forward(seconds=10)
    wait_for_deliveries(receiver, 2)
    assert receiver.sequences("c1") == [3, 4]


def test_the_dispatcher_obeys_retry_after(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    create_webhook(installation, receiver, event_types=["message.created"])
    receiver.answer = lambda _: (429, {"retry-after": "600"})
    installation.post_events(make_conversation(messages=1))
    wait_until(lambda: len(receiver.attempts) == 1, WAIT, "the first attempt")
    wait_until(lambda: stored_count(installation) == 4, WAIT, "the stored attempt")
    receiver.answer = lambda _: 200
    clock.forward(seconds=599)
    installation.post_events([make_event(conversation_id="c1")])
    assert len(receiver.attempts) == 1
    clock.forward(seconds=2)
    wait_for_deliveries(receiver, 2)


def test_a_bot_webhook_gets_no_events_under_human_control_nor_its_own_messages(
    installation: Installation, receiver: Receiver
) -> None:
    create_webhook(installation, receiver, event_types=["message.created"], bot_id="helper")
    installation.post_events(make_conversation(messages=2))
    wait_for_deliveries(receiver, 1)
    assert receiver.sequences("c1") == [3]
    wait_until(lambda: stored_count(installation) == 5, WAIT, "the stored delivery")
    installation.post_events(
        [
            make_event("handoff.requested", handoff_id="h1"),
            make_event("handoff.accepted", handoff_id="h1", participant_id="mira"),
        ]
    )
    stored = stored_count(installation)
    installation.post_events([make_event(text="to the human")])
    # Control counts at the attempt: the bot may have it back only after the attempt was skipped.
    wait_until(lambda: stored_count(installation) == stored + 2, WAIT, "the skipped attempt")
    installation.post_events(
        [make_event("handoff.returned", handoff_id="h1"), make_event(text="to the bot")]
    )
    wait_until(lambda: len(receiver.accepted) >= 2, WAIT, "the event after the handoff")
    assert receiver.accepted[-1].event["text"] == "to the bot"


def test_during_a_secret_rotation_both_secrets_verify(
    installation: Installation, receiver: Receiver
) -> None:
    made = create_webhook(installation, receiver, event_types=["message.created"])
    path = f"/v1/webhooks/{made['webhook_id']}"
    changed = installation.post(f"{path}/rotate", None).json()
    installation.post_events(make_conversation(messages=1))
    wait_for_deliveries(receiver, 1)
    installation.clock.forward(hours=25)
    installation.post_events([make_event()])
    wait_for_deliveries(receiver, 2)
    first, later = (each.headers["webhook-signature"].split() for each in receiver.accepted)
    assert len(first) == 2
    assert len(later) == 1
    assert made["secret"] != changed["secret"]
    assert "secret" not in installation.http.get(path).text.replace('"secret":null', "")


def test_a_dead_letter_is_kept_and_can_be_replayed(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    made = create_webhook(installation, receiver, event_types=["message.created"])
    receiver.answer = lambda _: 500
    installation.post_events(make_conversation(messages=2))
    for attempts in range(1, len(SCHEDULE) + 2):
        wait_until(lambda n=attempts: len(receiver.attempts) >= n, WAIT, f"attempt {attempts}")  # type: ignore[misc]
        wait_until(lambda n=attempts: stored_count(installation) >= 4 + n, WAIT, "its event")  # type: ignore[misc]
        clock.forward(seconds=SCHEDULE[min(attempts, len(SCHEDULE)) - 1] * 1.2)
    wait_until(lambda: deliveries(installation, made, "dead"), WAIT, "the first is a dead letter")
    (dead,) = deliveries(installation, made, "dead")
    assert (dead["attempts"], dead["last_result"]) == (len(SCHEDULE) + 1, "status 500")
    receiver.answer = lambda _: 200

    def is_there() -> bool:
        clock.forward(minutes=10)  # the next attempt may have failed a moment ago
        return bool(receiver.accepted)

    wait_until(is_there, WAIT, "the deliveries behind it")
    assert receiver.sequences("c1") == [4]
    answer = installation.post(f"/v1/webhooks/{made['webhook_id']}/replay", {})
    assert answer.json()["count"] == 1
    wait_for_deliveries(receiver, 2)
    assert receiver.sequences("c1") == [4, 3]
    assert deliveries(installation, made, "dead") == []


def test_a_range_of_the_log_can_be_replayed_with_the_same_ids(
    installation: Installation, receiver: Receiver
) -> None:
    made = create_webhook(installation, receiver)
    installation.post_events(make_conversation(messages=4))
    wait_for_deliveries(receiver, 6)
    path = f"/v1/webhooks/{made['webhook_id']}"
    end = encode_cursor({0: 6})
    wait_until(lambda: installation.http.get(path).json()["cursor"] == end, WAIT, "cursor saved")
    after, until_ = encode_cursor({0: 2}), encode_cursor({0: 5})
    body = {"after": after, "until": until_, "delivered": True}
    assert installation.post(f"{path}/replay", body).json() == {"count": 3, "until": until_}
    wait_for_deliveries(receiver, 9)
    assert [each.id for each in receiver.accepted[6:]] == [
        each.id for each in receiver.accepted[2:5]
    ]


def test_a_new_webhook_can_start_at_an_earlier_cursor(
    installation: Installation, receiver: Receiver
) -> None:
    installation.post_events(make_conversation(messages=2))
    create_webhook(installation, receiver, after=encode_cursor({0: 1}))
    wait_for_deliveries(receiver, 3)
    assert receiver.sequences("c1") == [2, 3, 4]


def test_a_deleted_webhook_gets_no_more_events(
    installation: Installation, receiver: Receiver
) -> None:
    made = create_webhook(installation, receiver)
    path = f"/v1/webhooks/{made['webhook_id']}"
    assert installation.http.delete(path).status_code == 204
    assert installation.http.get(path).status_code == 404
    installation.post_events(make_conversation(messages=1))
    assert receiver.attempts == []


def test_events_committed_before_a_restart_are_delivered_after_it(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    key = get_or_create_local_key(settings, clock())
    receiver.answer = lambda _: 503
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids()))) as url:
        running = Installation(url, key, settings, clock)
        with running.http:
            create_webhook(running, receiver)
            running.post_events(make_conversation(messages=3))
    receiver.answer = lambda _: 200
    clock.forward(minutes=2)
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids("later")))):
        wait_for_deliveries(receiver, 5)
    assert receiver.sequences("c1") == [1, 2, 3, 4, 5]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_after_an_hour_of_downtime_all_events_arrive_in_order_without_delaying_other_receivers(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    steps, each_step, conversations = 60, 600 if WHOLE else 20, 20
    with webhook_receiver() as healthy:
        create_webhook(installation, receiver, event_types=["message.created"])
        create_webhook(installation, healthy, event_types=["message.created"])
        for number in range(conversations):
            installation.post_events(make_conversation(f"c{number}", messages=0))
        receiver.answer = lambda _: 503
        sent, longest = 0, 0.0
        for _ in range(steps):
            installation.post_events(
                [make_event(conversation_id=f"c{n % conversations}") for n in range(each_step)]
            )
            sent += each_step
            posted_at = time.monotonic()
            wait_for_deliveries(healthy, sent)
            longest = max(longest, time.monotonic() - posted_at)
            clock.forward(seconds=60)
        assert longest < WAIT / 2, longest
        assert len(receiver.attempts) <= 130
        receiver.answer = lambda _: 200
        clock.forward(seconds=70)
        wait_for_deliveries(receiver, sent, 600)
        for number in range(conversations):
            expected = list(range(3, 3 + sent // conversations))
            assert receiver.sequences(f"c{number}") == expected
            assert healthy.sequences(f"c{number}") == expected
        assert (
            len(receiver.ids) == len({(each.id, each.body) for each in receiver.attempts}) == sent
        )


@pytest.mark.parametrize("seed", range(30 if WHOLE else 1))
def test_for_any_receiver_responses_all_events_arrive_in_order_with_the_same_ids(
    settings: Settings, clock: Clock, receiver: Receiver, seed: int
) -> None:
    chosen = random.Random(seed)  # noqa: S311
    answers: list[int | tuple[int, dict[str, str]]] = [
        200, 200, 204, 301, 404, 500, 503, (429, {"retry-after": "20"}),
    ]  # fmt: skip
    receiver.answer = lambda _: chosen.choice(answers)
    key = get_or_create_local_key(settings, clock())
    names = [f"c{number}" for number in range(5)]
    for start in range(4):  # each run is a new process to the dispatcher
        with run_server(FastPathMiddleware(create_app(settings, clock, Ids(f"r{start}")))) as url:
            running = Installation(url, key, settings, clock)
            with running.http:
                if start == 0:
                    create_webhook(running, receiver, event_types=["message.created"])
                    running.post_events(
                        [each for name in names for each in make_conversation(name, 0)]
                    )
                for _ in range(5):
                    running.post_events(
                        [make_event(conversation_id=chosen.choice(names)) for _ in range(12)]
                    )
                    for _ in range(20):  # meanwhile the dispatcher delivers, or its circuit is open
                        running.http.get("/readyz")
                    clock.forward(seconds=chosen.randint(1, 900))
                if start == 3:
                    receiver.answer = lambda _: 200
                    clock.forward(hours=30)

                    def has_arrived() -> bool:
                        clock.forward(minutes=10)  # some attempts failed a moment ago
                        return len(receiver.ids) == 4 * 5 * 12

                    wait_until(has_arrived, 60, "all deliveries")
    firsts = {each.id: each for each in reversed(receiver.accepted)}
    for name in names:
        received = [each for each in firsts.values() if each.event["conversation_id"] == name]
        order = sorted(received, key=receiver.accepted.index)
        places = [each.event["sequence"] for each in order]
        assert places == sorted(places)  # sessions begin and end between them
    bodies = {(each.id, each.body) for each in receiver.attempts}
    assert len(bodies) == len({each.id for each in receiver.attempts})


def test_a_webhook_of_another_source_is_404(installation: Installation, receiver: Receiver) -> None:
    made = create_webhook(installation, receiver)
    engine = open_engine(installation.settings.database_url)
    other = create_key(engine, "other", 1, Grant(frozenset({"webhooks:admin"})))
    for path in (made["webhook_id"], "none"):
        answer = httpx2.get(
            f"{installation.url}/v1/webhooks/{path}", headers={"authorization": f"Bearer {other}"}
        )
        assert answer.status_code == 404


def test_a_webhook_of_a_channel_key_gets_that_channel_only(
    installation: Installation, receiver: Receiver
) -> None:
    engine = open_engine(installation.settings.database_url)
    grant = Grant(frozenset({"webhooks:admin", "read"}), channels=frozenset({"email"}))
    key = create_key(engine, "mail", 1, grant)
    headers = {"authorization": f"Bearer {key}"}
    body: dict[str, Any] = {"url": receiver.url, "channels": ["web"]}
    assert installation.post("/v1/webhooks", body, **headers).status_code == 403
    assert installation.post("/v1/webhooks", body | {"channels": []}, **headers).status_code == 201
    installation.post_events(
        make_conversation(messages=1) + make_conversation("c2", 1, channel="email")
    )
    wait_for_deliveries(receiver, 3)
    assert {each.event["conversation_id"] for each in receiver.accepted} == {"c2"}


def test_a_key_of_one_channel_cannot_read_or_change_other_webhooks(
    installation: Installation, receiver: Receiver
) -> None:
    engine = open_engine(installation.settings.database_url)
    wide, narrow = (
        create_key(engine, "crm", 1, Grant(frozenset({"webhooks:admin", "read"}), channels))
        for channels in (frozenset[str](), frozenset({"email"}))
    )
    made = installation.post(
        "/v1/webhooks", {"url": receiver.url}, authorization=f"Bearer {wide}"
    ).json()
    headers = {"authorization": f"Bearer {narrow}"}
    assert installation.http.get("/v1/webhooks", headers=headers).json()["items"] == []
    path = f"/v1/webhooks/{made['webhook_id']}"
    assert installation.http.delete(path, headers=headers).status_code == 404
    assert installation.post(f"{path}/rotate", None, **headers).status_code == 404


def test_an_undeliverable_event_does_not_block_other_conversations(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    create_webhook(installation, receiver, event_types=["message.created"])
    installation.post_events(
        [each for n in range(20) for each in make_conversation(f"c{n}", messages=0)]
    )
    receiver.answer = lambda each: 503
    installation.post_events(
        [make_event(conversation_id=f"c{n}") for n in range(FAILURE_THRESHOLD + 5)]
    )
    wait_until(lambda: len(receiver.attempts) >= FAILURE_THRESHOLD, WAIT, "the open circuit")
    receiver.answer = lambda each: 422 if each.event["conversation_id"] == "c0" else 200
    while (
        len(receiver.accepted) < FAILURE_THRESHOLD + 4
    ):  # it is probed with alternating deliveries
        attempts = len(receiver.attempts)
        assert attempts < 5 * FAILURE_THRESHOLD
        clock.forward(seconds=61)
        wait_until(
            lambda n=attempts: (
                len(receiver.attempts) > n or len(receiver.accepted) == FAILURE_THRESHOLD + 4
            ),  # type: ignore[misc]
            WAIT,
            "the probe",
        )
    assert "c0" not in {each.event["conversation_id"] for each in receiver.accepted}


@pytest.mark.sqlite
def test_a_conversation_whose_state_is_lost_does_not_stop_deliveries(
    installation: Installation, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_webhook(
        installation, receiver, event_types=["message.created"], bot_id="helper", channels=["web"]
    )
    receiver.answer = lambda _: 500
    installation.post_events(make_conversation(messages=1) + make_conversation("c2", messages=1))
    wait_until(lambda: len(receiver.attempts) >= 2, WAIT, "two failed attempts")
    damage(
        installation.settings,
        "update conversations set projection = x'' where conversation_id = 'c1'",
    )
    monkeypatch.setattr(projections, "create", lambda _: 1 / 0)
    assert installation.http.get("/v1/conversations/c1").status_code == 503
    receiver.answer = lambda _: 200
    clock.forward(seconds=SCHEDULE[0] * 1.2)
    wait_for_deliveries(receiver, 2)
    assert {each.event["conversation_id"] for each in receiver.accepted} == {"c1", "c2"}
    unreadable_states.lost.clear()


def test_a_replay_of_a_range_includes_dead_letters(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    made = create_webhook(installation, receiver, event_types=["message.created"])
    installation.post_events(make_conversation(messages=3))
    wait_for_deliveries(receiver, 3)
    path = f"/v1/webhooks/{made['webhook_id']}"
    end = encode_cursor({0: 5})
    wait_until(lambda: installation.http.get(path).json()["cursor"] == end, WAIT, "cursor saved")
    for _ in range(2):  # the second request may come before the first replay ends
        assert installation.post(f"{path}/replay", {"delivered": True}).json()["count"] == 3
    wait_for_deliveries(receiver, 6)
    wait_until(lambda: deliveries(installation, made) == [], WAIT, "an empty delivery queue")


# --- retry times and the circuit breaker


def test_attempts_are_spread_over_76_hours() -> None:
    now = since = 0
    attempts = 1
    while (due := next_attempt_at(now, since, attempts, None, lambda: 0.5)) is not None:
        now = due
        attempts += 1
    assert attempts == 12
    assert now == sum(SCHEDULE) * 1_000_000


def test_retries_of_two_receivers_have_jitter() -> None:
    early, late = (next_attempt_at(0, 0, 4, None, lambda part=part: part) for part in (0.0, 1.0))  # type: ignore[misc]
    assert early is not None
    assert late is not None
    assert (early, late) == (480_000_000, 720_000_000)


def test_a_failing_endpoint_opens_its_circuit_and_is_probed_by_one_delivery() -> None:
    breaker = CircuitBreaker()
    for _ in range(FAILURE_THRESHOLD):
        assert breaker.permits(0) is None
        breaker.record(is_success=False, now=0)
    assert breaker.permits(29_000_000) == 0
    assert breaker.permits(30_000_000) == 1
    breaker.record(is_success=True, now=30_000_000)
    assert breaker.permits(30_000_000) is None
