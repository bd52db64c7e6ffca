"""Bot watchdog: an undelivered customer message is one failed turn and requests a human."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.delivery.circuit_breaker import FAILURE_THRESHOLD
from ingest.delivery.retry_policy import SCHEDULE
from ingest.events.draft import Command
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, run_server, wait_until
from tests.factories import Clock, Ids, Record, damage, free_port, make_event
from tests.faults.processes import running as running_process
from tests.webhook_receiver import Receiver

SILENCE = 31
"""The bot timeout is 30 seconds."""


pytestmark = [pytest.mark.allows_loopback, pytest.mark.usefixtures("fast_polling")]


@pytest.fixture
def receiver(receiver: Receiver) -> Receiver:
    receiver.answer = lambda _: 503
    return receiver


@contextmanager
def running(settings: Settings, clock: Clock, ids: str) -> Iterator[Installation]:
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids(ids)))) as url:
        found = Installation(url, key, settings, clock)
        with found.http:
            yield found


def create_webhook(installation: Installation, receiver: Receiver, **over: Any) -> str:
    body = {"url": receiver.url, "event_types": ["message.created"], "bot_id": "helper"} | over
    answer = installation.post("/v1/webhooks", body)
    assert answer.status_code == 201, answer.text
    return f"/v1/webhooks/{answer.json()['webhook_id']}"


def conversation_created(conversation_id: str = "c1", bot: str = "helper") -> dict[str, Any]:
    people = [("ada", "customer"), (bot, "bot")]
    return make_event(
        "conversation.created",
        conversation_id=conversation_id,
        payload={
            "hand_off_on_bot_failure": True,
            "participants": [
                {"participant_id": name, "participant_role": role} for name, role in people
            ],
        },
    )


def customer_message(event_id: str, conversation_id: str = "c1", **over: Any) -> dict[str, Any]:
    return make_event(event_id=event_id, conversation_id=conversation_id, **over)


def events(
    installation: Installation, event_type: str, conversation_id: str = "c1"
) -> list[dict[str, Any]]:
    path = f"/v1/conversations/{conversation_id}/events?limit=100"
    items = installation.http.get(path).json()["items"]
    return [each for each in items if each["event_type"] == event_type]


def failed(installation: Installation, conversation_id: str = "c1") -> list[str]:
    """The messages with a recorded failed turn."""
    return [each["caused_by"] for each in events(installation, "bot.turn_failed", conversation_id)]


def wait_for_attempts(receiver: Receiver, count: int = 1) -> None:
    wait_until(lambda: len(receiver.attempts) >= count, WAIT, f"{count} attempts")


def wait_until_queued(installation: Installation, path: str, queued: int) -> None:
    """Wait until the delivery queue has `queued` deliveries."""
    url = f"{path}/deliveries?limit=100"
    wait_until(
        lambda: len(installation.http.get(url).json()["items"]) == queued,
        WAIT,
        f"{queued} in the queue",
    )


def attempts(installation: Installation, path: str) -> int:
    """The attempts of the oldest queued delivery; 0 if the queue is empty."""
    items = installation.http.get(f"{path}/deliveries").json()["items"]
    return items[0]["attempts"] if items else 0


def test_an_undelivered_message_is_a_failed_turn_and_requests_a_human(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    installation.post_events([conversation_created(), customer_message("m1")])
    wait_until_queued(installation, path, 1)
    assert failed(installation) == []
    clock.forward(seconds=SILENCE)
    wait_until(lambda: failed(installation) == ["m1"], WAIT, "the turn has failed")
    (turn,) = events(installation, "bot.turn_failed")
    assert (turn["participant_id"], turn["participant_role"]) == ("helper", "bot")
    assert turn["payload"]["reason"] == "webhook_failed"
    (asked,) = events(installation, "handoff.requested")
    assert asked["payload"]["reason"] == "bot_failed"
    assert asked["caused_by"] == turn["event_id"]
    state = installation.http.get("/v1/conversations/c1").json()
    assert state["handoff"]["status"] == "requested"


def test_each_failed_turn_is_recorded_once_also_for_queued_messages(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    installation.post_events(
        [conversation_created(), *(customer_message(f"m{n}") for n in range(5))]
    )
    wait_until_queued(installation, path, 5)
    for attempt, seconds in enumerate((SILENCE, 60, 300, 1200), start=2):
        clock.forward(seconds=seconds)
        wait_until(lambda n=attempt: attempts(installation, path) == n, WAIT, "it is retried")  # type: ignore[misc]
    wait_until(lambda: len(failed(installation)) == 5, WAIT, "all failed turns are recorded")
    assert sorted(failed(installation)) == [f"m{n}" for n in range(5)]
    assert len(events(installation, "handoff.requested")) == 1


def test_a_message_delivered_in_time_or_replayed_is_not_a_failed_turn(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    installation.post_events([conversation_created(), customer_message("m1")])
    wait_until_queued(installation, path, 1)
    receiver.answer = lambda _: 200
    clock.forward(seconds=10)
    wait_until(lambda: len(receiver.accepted) == 1, WAIT, "it arrives")
    wait_until_queued(installation, path, 0)
    receiver.answer = lambda _: 503
    assert installation.post(f"{path}/replay", {"delivered": True}).json()["count"] == 1
    wait_for_attempts(receiver, 3)
    wait_until_queued(installation, path, 1)
    installation.post_events([customer_message("m2")])
    clock.forward(seconds=SILENCE)
    wait_until(lambda: failed(installation) == ["m2"], WAIT, "only the undelivered message")


def test_with_an_open_circuit_each_customer_message_still_fails_in_time(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    create_webhook(installation, receiver)
    names = [f"c{n}" for n in range(FAILURE_THRESHOLD + 5)]
    installation.post_events([conversation_created(name) for name in names])
    installation.post_events([customer_message(f"{name}-1", name) for name in names])
    wait_for_attempts(receiver, FAILURE_THRESHOLD)
    installation.post_events([customer_message(f"{name}-2", name) for name in names])
    installation.post_events([customer_message("note", "c0", visibility="internal")])
    clock.forward(seconds=SILENCE)
    for name in names:
        wait_until(
            lambda name=name: sorted(failed(installation, name)) == [f"{name}-1", f"{name}-2"],  # type: ignore[misc]
            WAIT,
            f"{name} is a failed turn",
        )
        assert len(events(installation, "handoff.requested", name)) == 1
    receiver.answer = lambda _: 200

    def arrived() -> bool:
        clock.forward(seconds=30)  # again, until the circuit breaker sends a probe
        return len(receiver.ids) == 2 * len(names) + 1  # the note, too

    wait_until(arrived, WAIT, "all messages arrive")
    assert sum(len(failed(installation, name)) for name in names) == 2 * len(names)


def test_a_disabled_bot_fails_every_message_at_once(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    receiver.answer = lambda _: 410
    installation.post_events(
        [conversation_created(), customer_message("m1"), customer_message("m2")]
    )
    wait_until(lambda: sorted(failed(installation)) == ["m1", "m2"], WAIT, "both have failed")
    installation.post_events([customer_message("m3")])
    wait_until(lambda: sorted(failed(installation)) == ["m1", "m2", "m3"], WAIT, "the third, too")
    receiver.answer = lambda _: 200
    assert installation.post(f"{path}/enable", None).status_code == 200
    clock.forward(seconds=10)
    wait_until(lambda: len(receiver.accepted) == 3, WAIT, "the webhook gets them after all")
    assert len(failed(installation)) == 3


def test_a_disabled_bot_fails_no_turn_under_human_control(
    installation: Installation, receiver: Receiver
) -> None:
    create_webhook(installation, receiver)
    receiver.answer = lambda _: 410
    installation.post_events(
        [conversation_created(), customer_message("m1"), conversation_created("c2")]
    )
    wait_until(lambda: failed(installation) == ["m1"], WAIT, "the bot has failed")
    (asked,) = events(installation, "handoff.requested")
    accepted = {"handoff_id": asked["handoff_id"], "participant_id": "mira"}
    installation.post_events(
        [
            make_event("handoff.accepted", **accepted),
            customer_message("m2"),
            customer_message("other", "c2"),
        ]
    )
    wait_until(lambda: failed(installation, "c2") == ["other"], WAIT, "the other turn failed")
    assert failed(installation) == ["m1"]
    assert installation.http.get("/v1/rejected").json()["items"] == []


def test_a_message_dead_lettered_early_is_a_failed_turn(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    patient = settings.model_copy(update={"bot_timeout_seconds": 30 * 86_400.0})
    last = len(SCHEDULE) + 1
    with running(patient, clock, "id") as installation:
        path = create_webhook(installation, receiver)
        installation.post_events([conversation_created(), customer_message("m1")])
        for attempt in range(1, last + 1):
            wait_for_attempts(receiver, attempt)
            wait_until(
                lambda n=attempt: attempts(installation, path) == n % last,  # type: ignore[misc]
                WAIT,
                "the attempt is recorded",
            )
            assert failed(installation) == [] or attempt == last
            clock.forward(seconds=SCHEDULE[min(attempt, len(SCHEDULE)) - 1] * 1.2)
        wait_until(
            lambda: failed(installation) == ["m1"], WAIT, "it is dead-lettered and the turn failed"
        )


def test_no_failed_turn_is_recorded_under_human_control(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    installation.post_events(
        [
            conversation_created(),
            customer_message("m1"),
            conversation_created("c2"),
            customer_message("other", "c2"),
        ]
    )
    wait_until_queued(installation, path, 2)
    installation.post_events(
        [
            make_event("handoff.requested", handoff_id="h1"),
            make_event("handoff.accepted", handoff_id="h1", participant_id="mira"),
            customer_message("m2"),
        ]
    )
    clock.forward(seconds=SILENCE)
    wait_until(lambda: failed(installation, "c2") == ["other"], WAIT, "the other turn failed")
    assert failed(installation) == []
    assert installation.http.get("/v1/rejected").json()["items"] == []


def test_a_handover_just_before_the_timeout_prevents_the_failed_turn(
    record: Record,
) -> None:
    """The epoch decides in the commit itself, whatever was read before it."""
    turn = make_event("bot.turn_failed", participant_id="helper")
    record.write([conversation_created()])
    (answer,) = record.write([turn], command=Command(control_epoch=1))
    assert answer.status == "accepted"
    (asked,) = record.log("select handoff_id from events where event_type = 'handoff.requested'")
    record.write(
        [make_event("handoff.accepted", handoff_id=asked["handoff_id"], participant_id="mira")]
    )
    (answer,) = record.write([turn], command=Command(control_epoch=1))
    assert answer.error is not None
    assert answer.error.code == "stale_epoch"


def test_a_bot_that_is_not_a_participant_fails_no_turn(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    installation.post_events(
        [
            conversation_created("c2", bot="other"),
            customer_message("foreign", "c2"),
            conversation_created(),
            customer_message("m1"),
        ]
    )
    wait_until_queued(installation, path, 2)
    clock.forward(seconds=SILENCE)
    wait_until(lambda: failed(installation) == ["m1"], WAIT, "its own turn failed")
    assert failed(installation, "c2") == []


def test_after_a_crash_at_any_step_each_failed_turn_is_recorded_once(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    """Undo the writes that follow the event, as a kill -9 in between would."""
    with running(settings, clock, "id") as installation:
        create_webhook(installation, receiver)
        names = [f"c{n}" for n in range(FAILURE_THRESHOLD + 2)]
        installation.post_events(
            [
                each
                for name in names
                for each in (conversation_created(name), customer_message(name, name))
            ]
        )
        wait_for_attempts(receiver, FAILURE_THRESHOLD)
        wait_until(
            lambda: stored(installation) >= 2 * len(names) + FAILURE_THRESHOLD,
            WAIT,
            "the events are stored",
        )
        installation.post_events([customer_message("late", "c0")])
        clock.forward(seconds=SILENCE)
        wait_until(
            lambda: (
                all(failed(installation, name) for name in names)
                and len(failed(installation, "c0")) == 2
            ),
            WAIT,
            "all failed turns are recorded",
        )
    damage(settings, "update webhooks set watchdog_cursor = null")
    damage(settings, "update webhook_queue set waiting_since = first_attempt_at")
    with running(settings, clock, "later") as installation:
        installation.post_events([customer_message("new", "c1")])
        clock.forward(seconds=SILENCE)
        wait_until(lambda: "new" in failed(installation, "c1"), WAIT, "the new turn failed")
        wait_until(
            lambda: duplicates(installation) >= len(names),
            WAIT,
            "the other turns were written again",
        )
        assert sorted(failed(installation, "c0")) == ["c0", "late"]
        for name in names[1:]:
            assert failed(installation, name).count(name) == 1
            assert len(events(installation, "handoff.requested", name)) == 1
        stats = installation.http.get("/v1/ingest-stats").json()
        for each in stats["sources"]:
            became = ("accepted", "duplicate", "conflict", "rejected", "parked")
            assert each["received"] == sum(each[name] for name in became)
            assert each["conflict"] == each["rejected"] == 0


def stored(installation: Installation) -> int:
    return int(installation.http.get("/v1/ingest-stats").json()["stored"])


def duplicates(installation: Installation) -> int:
    stats = installation.http.get("/v1/ingest-stats").json()["sources"]
    return sum(each["duplicate"] for each in stats if each["source"] == "convolake~webhooks")


def test_after_an_api_outage_the_bot_gets_its_full_timeout(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    with running(settings, clock, "id") as installation:
        path = create_webhook(installation, receiver)
        installation.post_events(
            [conversation_created(), *(customer_message(f"m{n}") for n in range(6))]
        )
        wait_until_queued(installation, path, 6)
    receiver.answer = lambda _: 200
    clock.forward(minutes=10)
    with running(settings, clock, "later") as installation:
        wait_until(lambda: len(receiver.accepted) == 6, WAIT, "all messages arrive")
        wait_until_queued(installation, path, 0)
        assert failed(installation) == []


@pytest.mark.long
@pytest.mark.timeout(120)
def test_through_kills_each_failed_turn_is_recorded_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    """kill -9, each time just when failed turns were written."""
    settings = Settings(data=tmp_path / "place" / "data", port=free_port())
    settings.data.mkdir(parents=True)
    key = get_or_create_local_key(settings, wall_clock())
    environment = {
        "CONVOLAKE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
        "CONVOLAKE_BOT_TIMEOUT_SECONDS": "0.2",
    }
    names = [f"c{number}" for number in range(FAILURE_THRESHOLD + 2)]
    recorded: list[str] = []

    def is_recorded(wanted: int) -> bool:
        found = Record(settings, Clock()).log(
            "select caused_by from events where event_type = 'bot.turn_failed'"
        )
        recorded[:] = [row["caused_by"] for row in found]
        return len(set(recorded)) >= wanted

    for cycle in range(4):
        with (
            running_process(settings, files=None, **environment) as process,
            Client(settings.url, key) as client,
        ):
            client.wait_until_ready()
            if cycle == 0:
                running = Installation(settings.url, key, settings, Clock())
                with running.http:
                    create_webhook(running, receiver)
                assert [
                    each.rejected for each in client.record(map(conversation_created, names))
                ] == [0]
            messages = [customer_message(f"{name}-{cycle}", name) for name in names]
            assert [each.rejected for each in client.record(messages)] == [0]
            # The last run is not interrupted, so it records all remaining turns.
            wanted = len(names) * cycle + 1 if cycle < 3 else len(names) * 4
            wait_until(lambda n=wanted: is_recorded(n), WAIT, f"{wanted} failed turns")  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
    assert sorted(recorded) == sorted(f"{name}-{cycle}" for name in names for cycle in range(4))
    handoffs = "select count(*) as n from events where event_type = 'handoff.requested'"
    assert Record(settings, Clock()).log(handoffs) == [{"n": len(names)}]


def test_messages_older_than_the_webhook_are_not_failed_turns(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    installation.post_events([conversation_created(), customer_message("m1")])
    clock.forward(minutes=5)
    path = create_webhook(installation, receiver, after="")
    installation.post_events([customer_message("m2")])
    wait_until_queued(installation, path, 2)
    clock.forward(seconds=SILENCE)
    wait_until(lambda: "m2" in failed(installation), WAIT, "the later turn failed")
    assert failed(installation) == ["m2"]


def test_imported_messages_are_not_failed_turns(
    installation: Installation, receiver: Receiver, clock: Clock
) -> None:
    path = create_webhook(installation, receiver)
    old = customer_message("old", happened_at="2029-12-30T10:00:00Z")
    installation.post_events(
        [conversation_created(), old, conversation_created("c2"), customer_message("m1", "c2")]
    )
    wait_until_queued(installation, path, 2)
    clock.forward(seconds=SILENCE)
    wait_until(lambda: failed(installation, "c2") == ["m1"], WAIT, "today's turn failed")
    assert failed(installation) == []
