"""A simulation makes the same conversations for the same seed, and the API accepts all events."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from convolake.simulate import contacts, history, live, simulate_history, simulate_live
from convolake.stories.topics import TOPICS
from convolake.stories.translations import LANGUAGES
from ingest.api.app import create_app
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.contract import to_micros
from ingest.events.types import EVENT_TYPES
from ingest.settings import Settings

pytestmark = pytest.mark.long

Event = dict[str, Any]
NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
DAYS = 60


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(history(7, DAYS, NOW))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Client]:
    """A client of the real API without a socket; the API's clock is at NOW."""
    settings = Settings(data=tmp_path)
    key = get_or_create_local_key(settings, 0)
    app = create_app(settings, clock=lambda: to_micros(NOW))
    with (
        TestClient(app) as test_client,
        Client("http://testserver", key, transport=test_client._transport) as client,
    ):
        yield client


def moment(event: Event) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def of_type(events: list[Event], *names: str) -> list[Event]:
    return [event for event in events if event["event_type"] in names]


def share(part: int, whole: int) -> float:
    assert whole > 50
    return part / whole


def test_the_same_seed_makes_the_same_events(events: list[Event]) -> None:
    assert events == list(history(7, DAYS, NOW))
    assert len({event["event_id"] for event in events}) == len(events)


def test_another_seed_makes_other_conversations(events: list[Event]) -> None:
    others = history(8, 3, NOW)
    assert not {event["event_id"] for event in events} & {event["event_id"] for event in others}


def test_a_later_simulation_only_adds_events(events: list[Event]) -> None:
    later = {event["event_id"]: event for event in history(7, DAYS + 1, NOW + timedelta(days=1))}
    assert len(later) > len(events)
    assert all(later[event["event_id"]] == event for event in events)


def test_no_event_is_in_the_future_and_time_never_goes_back(events: list[Event]) -> None:
    assert all(event["happened_at"] == event["occurred_at"] for event in events)
    times = [moment(event) for event in events]
    assert times == sorted(times)
    assert times[0] >= datetime(2026, 9, 23, tzinfo=UTC)
    assert times[-1] <= NOW


def test_every_conversation_begins_with_its_creation(events: list[Event]) -> None:
    seen: set[str] = set()
    for event in events:
        is_first = event["conversation_id"] not in seen
        assert is_first == (event["event_type"] == "conversation.created")
        seen.add(event["conversation_id"])


def test_sixty_days_hold_about_five_thousand_conversations(events: list[Event]) -> None:
    created = of_type(events, "conversation.created")
    assert 4_500 < len(created) < 6_000
    assert 70_000 < len(events) < 100_000
    a_day = Counter(moment(event).date() for event in created)
    del a_day[NOW.date()]
    assert 40 < min(a_day.values()) < max(a_day.values()) < 140
    weekend = [count for day, count in a_day.items() if day.weekday() > 4]
    workdays = [count for day, count in a_day.items() if day.weekday() < 5]
    assert sum(weekend) / len(weekend) < 0.8 * sum(workdays) / len(workdays)


def test_days_are_busier_than_nights(events: list[Event]) -> None:
    hours = Counter(moment(event).hour for event in of_type(events, "conversation.created"))
    assert sum(hours[hour] for hour in range(9, 17)) > 8 * sum(hours[hour] for hour in range(6))


def handoff_shares(events: list[Event], group: dict[str, str]) -> dict[str, float]:
    """Return the share of conversations with a handoff, by `group` (conversation_id to its group)."""
    asked = {event["conversation_id"] for event in of_type(events, "handoff.requested")}
    sizes = Counter(group.values())
    hits = Counter(name for key, name in group.items() if key in asked)
    return {name: hits[name] / size for name, size in sizes.items() if size > 200}


def test_every_channel_is_used_and_has_its_own_handoff_share(events: list[Event]) -> None:
    created = of_type(events, "conversation.created")
    shares = handoff_shares(events, {each["conversation_id"]: each["channel"] for each in created})
    assert set(shares) == {"web", "whatsapp", "sms", "messenger", "email", "slack"}
    assert shares["email"] > shares["web"] + 0.03
    everything = handoff_shares(events, {each["conversation_id"]: "all" for each in created})
    assert 0.15 < everything["all"] < 0.25


def test_a_newer_bot_version_hands_off_less_often(events: list[Event]) -> None:
    versions: dict[str, str] = {}
    for event in events:
        if "bot_version" in event:
            versions.setdefault(event["conversation_id"], event["bot_version"])
    shares = handoff_shares(events, versions)
    assert set(shares) == {"1.8", "1.9", "2.0"}
    assert shares["2.0"] < shares["1.8"] - 0.02


def test_handoffs_end_in_every_way_and_with_realistic_waits(events: list[Event]) -> None:
    requested = {each["handoff_id"]: each for each in of_type(events, "handoff.requested")}
    assert {each["payload"]["reason"] for each in requested.values()} == {
        "not_understood",
        "customer_request",
        "needs_approval",
        "sensitive_topic",
    }
    accepted = of_type(events, "handoff.accepted")
    assert 0.65 < share(len(accepted), len(requested)) < 0.9
    for event in accepted:
        wait = moment(event) - moment(requested[event["handoff_id"]])
        assert timedelta(seconds=20) <= wait <= timedelta(minutes=8, seconds=30)
    ends = Counter(event["event_type"] for event in events if "handoff_id" in event)
    for name in ("declined", "expired", "returned", "closed"):
        assert ends[f"handoff.{name}"] > 20


def test_most_requests_are_resolved_and_some_are_reopened(events: list[Event]) -> None:
    resolved = of_type(events, "conversation.resolved")
    by = Counter((each["payload"]["resolved_by"], each["participant_role"]) for each in resolved)
    assert set(by) == {("bot", "bot"), ("agent", "agent")}
    conversations = {each["conversation_id"] for each in events}
    assert (
        0.75 < share(len({each["conversation_id"] for each in resolved}), len(conversations)) < 0.95
    )
    assert 0.02 < share(len(of_type(events, "conversation.reopened")), len(conversations)) < 0.08


def test_customers_return_after_hours_and_on_other_days(events: list[Event]) -> None:
    times: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        times[event["conversation_id"]].append(moment(event))
    long = [
        key
        for key, each in times.items()
        if max(b - a for a, b in pairwise(each)) > timedelta(hours=1)
    ]
    assert 0.08 < share(len(long), len(times)) < 0.3
    persons = Counter(event["contact_id"] for event in of_type(events, "conversation.created"))
    assert max(persons.values()) > 5


def test_ratings_answer_a_request_and_are_mostly_good(events: list[Event]) -> None:
    requested = {each["conversation_id"] for each in of_type(events, "feedback.requested")}
    ratings = of_type(events, "feedback.submitted")
    assert {each["conversation_id"] for each in ratings} <= requested
    assert all(each["payload"]["kind"] == "csat" for each in ratings)
    scores = Counter(each["payload"]["score"] for each in ratings)
    assert set(scores) == {1, 2, 3, 4, 5}
    assert 0.6 < share(scores[4] + scores[5], len(ratings)) < 0.9


def test_bot_messages_have_an_intent_and_a_confidence(events: list[Event]) -> None:
    nlu = [each["payload"]["nlu"] for each in events if "nlu" in each.get("payload", {})]
    assert {each["intent"] for each in nlu} == {
        *(topic.intent for topic in TOPICS),
        "fallback",
        "thanks",
    }
    assert all(0 <= each["confidence"] <= 1 for each in nlu)
    assert 0.03 < share(sum(each["is_fallback"] for each in nlu), len(nlu)) < 0.15


def test_only_existing_whatsapp_messages_have_receipts(events: list[Event]) -> None:
    channels = {
        each["conversation_id"]: each["channel"] for each in of_type(events, "conversation.created")
    }
    messages = {each["message_id"] for each in of_type(events, "message.created")}
    receipts = of_type(events, "message.delivered", "message.read", "message.failed")
    assert {channels[each["conversation_id"]] for each in receipts} == {"whatsapp"}
    assert {each["message_id"] for each in receipts} <= messages


def test_a_few_conversations_are_tests_and_some_are_not_in_english(events: list[Event]) -> None:
    created = of_type(events, "conversation.created")
    assert 0 < share(sum(each.get("is_test", False) for each in created), len(created)) < 0.03
    languages = Counter(each["payload"]["language"] for each in created)
    assert set(languages) == {each.code for each in LANGUAGES}
    assert "{" not in "".join(each["text"] for each in of_type(events, "message.created"))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_language_has_only_topics_that_exist(language: Any) -> None:
    assert set(language.lines) <= {topic.intent for topic in TOPICS}


def test_the_api_accepts_every_event_and_a_repeat_makes_only_duplicates(api: Client) -> None:
    counts: list[int] = []
    first = simulate_history(api, 7, 20, NOW, counts.append)
    assert (first.duplicate, first.rejected) == (0, 0)
    assert first.accepted + first.parked == sum(counts) > 20_000
    assert first.parked > 5
    again = simulate_history(api, 7, 20, NOW)
    assert (again.accepted, again.parked, again.rejected) == (0, 0, 0)
    assert again.duplicate == first.accepted + first.parked


def test_a_simulation_uses_every_client_event_type(events: list[Event]) -> None:
    used = {event["event_type"] for event in (*contacts(), *events)}
    unused = {
        each.name
        for each in EVENT_TYPES.values()
        if each.writer == "client" and each.stream != "ephemeral"
    } - used
    assert unused == {
        "bot.turn_started",
        "contact.updated",
        "contact.merged",
        "contact.merge_declined",
        "contact.unmerged",
        "contact.unlinked",
        "contact.merge_proposed",
        "control.taken",
        "message.unconfirmed",
    }


def test_some_receipts_overtake_their_message_or_each_other(events: list[Event]) -> None:
    place = {(each["event_type"], each.get("message_id")): n for n, each in enumerate(events)}
    receipts = [each["message_id"] for each in of_type(events, "message.submitted")]
    early = [
        each
        for each in receipts
        if place["message.submitted", each] < place["message.created", each]
    ]
    late = [each["message_id"] for each in of_type(events, "message.delivered")
            if place["message.delivered", each["message_id"]]
            > place.get(("message.read", each["message_id"]), len(events))]  # fmt: skip
    assert 0.01 < share(len(early), len(receipts)) < 0.03
    assert 0.01 < share(len(late), len(receipts)) < 0.03


def test_a_live_simulation_continues_from_now() -> None:
    events = list(islice(live(7, NOW, per_minute=4.0), 3_000))
    assert events == list(islice(live(7, NOW, per_minute=4.0), 3_000))
    times = [moment(event) for event in events]
    assert times == sorted(times)
    assert times[0] == NOW
    assert all("happened_at" not in event for event in events)
    minutes = (times[-1] - NOW) / timedelta(minutes=1)
    assert 3.0 < len(of_type(events, "conversation.created")) / minutes < 5.0


def test_a_live_simulation_follows_the_clock_and_stops_on_request(api: Client) -> None:
    now = [NOW]
    stop = threading.Event()

    def wait(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)
        if now[0] > NOW + timedelta(minutes=20):
            stop.set()

    stats = simulate_live(api, 7, lambda: now[0], wait, stop, per_minute=2.0)
    due = [event for event in islice(live(7, NOW, 2.0), 3_000) if moment(event) <= now[0]]
    assert stats.rejected == 0
    assert abs(stats.accepted - len(due)) <= 3
    assert now[0] < NOW + timedelta(minutes=20, seconds=2)


def test_a_simulation_that_is_stopped_before_it_begins_posts_nothing(api: Client) -> None:
    stop = threading.Event()
    stop.set()
    assert simulate_live(api, 7, lambda: NOW, lambda _: None, stop).accepted == 0
