"""Several APIs of one log: the same order for every subscriber, whichever of them an event was posted to."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from ingest.auth.api_keys import revoke_key
from ingest.client import Client
from ingest.log.cursor import decode_cursor
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, wait_until
from tests.bots.otlp_bodies import chat, genai, make_span, make_traces
from tests.channels.conftest import Shop, create_account, message
from tests.cluster.apis import several_apis
from tests.cluster.processes import children_of
from tests.factories import Clock, Record, make_conversation, make_event
from tests.test_delivered_control import open_conversation, reply, take_control
from tests.test_live import frame, receive_events
from tests.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.allows_loopback

ALL = "select * from events order by position"


def test_writers_of_one_conversation_share_its_sequence(settings: Settings) -> None:
    with several_apis(settings) as apis, ThreadPoolExecutor(3) as writers:
        apis[0].post_events(make_conversation(messages=0))

        def write(number: int) -> list[int]:
            sequences = []
            for each in range(40):
                event = make_event(event_id=f"{number}-{each}")
                sequences.append(apis[number].post("/v1/events", event).json()["sequence"])
            return sequences

        found = list(writers.map(write, range(3)))
    assert all(each == sorted(each) for each in found)
    assert sorted(each for some in found for each in some) == list(range(3, 123))
    rows = Record(settings, Clock()).log(ALL)
    assert [row["position"] for row in rows] == [row["sequence"] for row in rows]


def test_events_posted_to_one_reach_subscribers_of_another_in_order(settings: Settings) -> None:
    with several_apis(settings) as apis:
        apis[0].post_events(make_conversation(messages=0))
        with apis[0].listen() as first, apis[1].listen() as second, apis[2].listen() as third:
            for number in range(21):
                apis[number % 3].post_events([make_event(event_id=f"m{number}")])
            for socket in (first, second, third):
                found = receive_events(socket, 23)
                assert [each["sequence"] for each in found] == list(range(1, 24))
                assert [each["event_id"] for each in found[2:]] == [f"m{n}" for n in range(21)]


@pytest.mark.sqlite
def test_a_subscriber_at_another_misses_no_event_while_the_writer_dies(settings: Settings) -> None:
    with several_apis(settings, 2) as (here, there), Client(here.url, here.key) as client:
        here.post_events(make_conversation(messages=0))
        with there.listen() as far:
            for number in range(40):
                if number % 20 == 5:
                    (writer,) = children_of(os.getpid(), "ingest.api.writer_process")
                    os.kill(writer, signal.SIGKILL)
                list(client.record([make_event(event_id=f"m{number}")]))
            found = receive_events(far, 42)
        assert [each["sequence"] for each in found] == list(range(1, 43))
        assert [each["event_id"] for each in found[2:]] == [f"m{n}" for n in range(40)]


def test_a_long_poll_at_one_is_answered_by_an_event_posted_to_another(settings: Settings) -> None:
    with several_apis(settings, 2) as (here, there), ThreadPoolExecutor(1) as pool:
        here.post_events(make_conversation(messages=1))
        polled = pool.submit(
            there.http.get, "/v1/conversations/c1/events?after_sequence=3&wait=20", timeout=WAIT
        )
        wait_until(lambda: "_listeners 1.0" in _metrics(there), WAIT, "the long poll")
        here.post_events([make_event(event_id="m2")])
        assert [each["event_id"] for each in polled.result().json()["items"]] == ["m2"]


def _metrics(api: Installation) -> str:
    return api.http.get("/metrics").text.replace('{worker="2"}', "")


def test_typing_at_one_reaches_subscribers_of_another(settings: Settings) -> None:
    with several_apis(settings, 2) as (here, there):
        here.post_events(make_conversation(messages=1))
        with there.listen() as far:
            assert len(receive_events(far, 3)) == 3
            assert frame(far)["type"] == "live"
            here.http.put("/v1/conversations/c1/typing/ada", json={"seconds": 30})
            assert [each["participant_id"] for each in frame(far)["items"]] == ["ada"]
            here.http.delete("/v1/conversations/c1/typing/ada")
            assert frame(far) == {"type": "typing", "items": []}


def test_a_repeat_at_another_is_a_duplicate(settings: Settings) -> None:
    """With an id of the event, and with a key of the request."""
    with several_apis(settings, 2) as (here, there):
        here.post_events(make_conversation(messages=0))
        event = make_event(event_id="m1")
        first, again = (each.post("/v1/events", event) for each in (here, there))
        assert first.json()["sequence"] == again.json()["sequence"]
        assert [first.status_code, again.status_code] == [201, 200]
        body = {"participant_id": "ada", "text": "hello"}
        path = "/v1/conversations/c1/messages"
        one, other = (each.post(path, body, **{"Idempotency-Key": "k1"}) for each in (here, there))
        assert one.json()["sequence"] == other.json()["sequence"]
        assert one.json()["message_id"] == other.json()["message_id"]
    assert len(Record(settings, Clock()).log(ALL)) == 4


def test_an_event_says_at_each_who_has_control_after_a_change_at_another(
    settings: Settings,
) -> None:
    with several_apis(settings, 2) as (here, there):
        open_conversation(here)
        with there.listen() as far:
            here.post_events([make_event(text="hi")])
            while (message := receive_events(far, 1)[0])["event_type"] != "message.created":
                pass
            assert message["control"]["owner"] == "bot"
            take_control(here)
            assert reply(there, message["control"]) == 409
            here.post_events([make_event(event_id="m2", text="hi again")])
            while (message := receive_events(far, 1)[0])["event_id"] != "m2":
                pass
            assert (message["control"]["owner"], message["control"]["epoch"]) == ("human", 2)


def test_a_hook_that_one_creates_runs_for_messages_at_another(settings: Settings) -> None:
    with several_apis(settings, 2) as (here, there), webhook_receiver() as receiver:
        here.post_events(make_conversation(messages=1))
        made = here.post("/v1/hooks", {"url": receiver.url, "on_failure": "reject"})
        assert made.status_code == 201, made.text
        body = {"participant_id": "ada", "text": "hello"}

        def is_rejected() -> bool:
            posted = there.post("/v1/conversations/c1/messages", body)
            return bool(posted.json().get("code") == "hook_failed")

        wait_until(is_rejected, WAIT, "the hook at the other API")


def test_a_revoked_key_is_rejected_by_all(settings: Settings) -> None:
    with several_apis(settings, 2) as apis:
        for each in apis:
            assert _status(each) == 200
        _revoke(settings, apis[0].key.split("_")[1])
        for each in apis:
            wait_until(partial(_is_rejected, each), WAIT, "the revocation")


def test_calls_of_a_provider_to_any_of_them_are_one_conversation_until_its_account_is_removed(
    settings: Settings, clock: Clock
) -> None:
    with several_apis(settings, 2, clock) as (here, there):
        assert create_account(here).status_code == 201
        shops = Shop(here), Shop(there)
        for number in range(6):
            shops[number % 2].send(message(number))
        texts = [each["text"] for each in shops[0].events() if "text" in each]
        assert texts == [f"text {number}" for number in range(6)]
        assert here.http.delete("/v1/channels/shop").status_code == 200
        clock.forward(seconds=6)
        assert [each.post(b'{"items": []}').status_code for each in shops] == [404, 404]


def _status(api: Installation) -> int:
    return api.http.get("/v1/conversations").status_code


def _is_rejected(api: Installation) -> bool:
    return _status(api) == 401


def _revoke(settings: Settings, key_id: str) -> None:
    engine = open_engine(settings.database_url)
    assert revoke_key(engine, key_id, 1)
    engine.dispose()


def test_spans_that_one_takes_become_events(settings: Settings) -> None:
    """One API converts, the one that delivers: whichever takes them."""
    quick = settings.model_copy(update={"otlp_settle": timedelta(0)})
    with several_apis(quick) as apis:
        for number, each in enumerate(apis):
            said = genai([chat("Hello")], [chat("Good day", "assistant")], f"c{number}")
            sent = each.post("/v1/traces", make_traces([make_span(number + 1, 1, attributes=said)]))
            assert sent.status_code == 200, sent.text
            path = f"/v1/conversations/c{number}"
            wait_until(partial(_exists, each, path), WAIT, path)


def _exists(api: Installation, path: str) -> bool:
    return api.http.get(path).status_code == 200


def test_a_new_webhook_starts_after_the_events_of_every_process(settings: Settings) -> None:
    with several_apis(settings, 2) as (here, there), webhook_receiver() as receiver:
        for number in range(5):
            here.post_events(make_conversation(f"c{number}", 2))
            made = there.post("/v1/webhooks", {"url": receiver.url}).json()
            rows = Record(settings, Clock()).log(ALL)
            before = [row for row in rows if row["source"] != "convolake"]
            cursor = decode_cursor(made["cursor"])
            assert all(cursor[row["shard"]] >= row["position"] for row in before)
            there.http.delete(f"/v1/webhooks/{made['webhook_id']}")


def test_one_delivers_to_a_webhook_that_another_created(settings: Settings) -> None:
    with several_apis(settings) as apis, webhook_receiver() as receiver:
        for each in apis:
            made = each.post("/v1/webhooks", {"url": receiver.url})
            assert made.status_code == 201
            apis[0].http.delete(f"/v1/webhooks/{made.json()['webhook_id']}")
        assert apis[2].post("/v1/webhooks", {"url": receiver.url}).status_code == 201
        apis[1].post_events(make_conversation(messages=4))
        wait_until(lambda: len(receiver.accepted) >= 6, WAIT, "the deliveries")
        assert [each.event["sequence"] for each in receiver.accepted] == list(range(1, 7))


def test_each_counts_the_requests_that_it_gets(settings: Settings) -> None:
    """A limit holds for each process: with two of them, a key may send twice as much."""
    limited = settings.model_copy(update={"requests_per_second": 1})
    with several_apis(limited, 2) as apis:
        counts = []
        for each in apis:
            statuses = [_status(each) for _ in range(13)]
            counts.append(statuses.count(200))
        assert all(10 <= each <= 12 for each in counts)
