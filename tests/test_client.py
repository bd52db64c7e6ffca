"""The client against the real API, over a network that loses requests and responses."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from ingest.api.app import create_app
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import (
    AsyncClient,
    Category,
    Client,
    ClientError,
    Participant,
    ProblemError,
    Sample,
    SampleItem,
    Scorecard,
    UnexpectedAnswerError,
    UnreachableError,
)
from ingest.client.calls import BATCH_BYTES
from ingest.log.cursor import encode_cursor
from ingest.settings import Settings
from tests.api_server import run_server, wait_until
from tests.clients import Fault, Network, answering, lose_the_answer, make_client, refuse_connection

ROOT = Path(__file__).parent.parent
ADA = Participant(participant_id="ada", participant_role="customer", contact_id="person-1")


def fail_on_wait(_: float) -> None:
    pytest.fail("the client waited")


@pytest.fixture(scope="module", params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest) -> type:
    """Every test runs with both clients."""
    kind: type = request.param
    return kind


@pytest.fixture(scope="module")
def server(kind: type, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URL and key of an API on a real port."""
    settings = Settings(data=Path(tmp_path_factory.mktemp(kind.__name__)))
    key = get_or_create_local_key(settings, 0)
    with run_server(create_app(settings)) as url:
        yield url, key


@pytest.fixture
def connect(kind: type, server: tuple[str, str]) -> Iterator[Callable[..., Client]]:
    """Make clients of the server with network faults; their pauses take no time."""
    clients: list[Client] = []

    def make(*faults: Fault, **over: Any) -> Client:
        given: dict[str, Any] = {"url": server[0], "key": server[1], "wait": lambda _: None}
        given |= {"transport": Network(*faults)} | over
        clients.append(make_client(kind, portal, **given))
        return clients[-1]

    with start_blocking_portal() as portal:
        yield make
        for client in clients:
            client.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


def make_events(conversation_id: str, messages: int, text: str = "Hello") -> list[dict[str, Any]]:
    created = {
        "event_type": "conversation.created",
        "conversation_id": conversation_id,
        "channel": "web",
    }
    message = {
        "event_type": "message.created",
        "conversation_id": conversation_id,
        "participant_id": "ada",
        "participant_role": "customer",
        "text": text,
    }
    return [created, *[dict(message) for _ in range(messages)]]


def test_a_conversation_is_created_written_to_and_read_back(client: Client) -> None:
    opened = client.create_conversation("web", participants=[ADA], contact_id="person-1")
    assert (opened.status, opened.sequence) == ("accepted", 1)
    conversation_id = opened.conversation_id or ""
    posted = client.post_message(conversation_id, "ada", "Where is my order? 📦", payload={"a": 1})
    [message] = client.messages(conversation_id)
    assert (message.text, message.payload) == ("Where is my order? 📦", {"a": 1})
    assert (message.message_id, message.participant_role) == (posted.message_id, "customer")
    found = next(each for each in client.conversations() if each.conversation_id == conversation_id)
    assert (found.message_count, found.contact_id) == (1, "person-1")


def test_a_retry_creates_no_second_event(client: Client, connect: Callable[..., Client]) -> None:
    client.create_conversation("web", conversation_id="retried", participants=[ADA])
    unlucky = connect(
        lose_the_answer, refuse_connection, answering(503), answering(429), answering(502)
    )
    posted = unlucky.post_message("retried", "ada", "Hello")
    assert posted.status == "duplicate"
    assert [message.text for message in client.messages("retried")] == ["Hello"]


def test_the_client_does_not_use_the_global_random_generator(
    connect: Callable[..., Client],
) -> None:
    random.seed(7)
    before = random.getstate()
    client = connect(refuse_connection, refuse_connection)
    assert client.create_conversation("web", participants=[ADA]).status == "accepted"
    assert random.getstate() == before


def test_a_retried_create_creates_one_conversation(connect: Callable[..., Client]) -> None:
    unlucky = connect(lose_the_answer)
    opened = unlucky.create_conversation("sms", contact_id="only-once")
    assert opened.status == "duplicate"
    found = [each for each in unlucky.conversations("sms") if each.contact_id == "only-once"]
    assert [each.conversation_id for each in found] == [opened.conversation_id]


def test_a_retried_batch_creates_no_second_event(connect: Callable[..., Client]) -> None:
    unlucky = connect(lose_the_answer)
    [result] = unlucky.record(make_events("batch-again", 20))
    assert (result.accepted, result.duplicate) == (0, 21)
    assert len(list(unlucky.messages("batch-again"))) == 20


def test_a_batch_is_split_by_number(connect: Callable[..., Client]) -> None:
    client = connect()
    results = list(client.record(make_events("many", 250), batch=100))
    assert [result.accepted for result in results] == [100, 100, 51]
    sequences = [each.sequence or 0 for result in results for each in result.results]
    assert sequences == sorted(sequences)


def test_a_batch_is_split_by_size(connect: Callable[..., Client]) -> None:
    network = Network()
    client = connect(transport=network)
    results = list(client.record(make_events("heavy", 40, "é" * 120_000)))
    assert sum(result.accepted for result in results) == 41
    sizes = [len(request.content) for request in network.requests]
    assert len(sizes) > 1
    assert max(sizes) <= BATCH_BYTES


def test_encoded_events_are_sent_as_they_are(connect: Callable[..., Client]) -> None:
    network = Network()
    client = connect(transport=network)
    events = make_events("encoded", 2)
    lines = [json.dumps(each, indent=None, sort_keys=True).encode() for each in events]
    [result] = client.record(lines)
    assert result.accepted == len(events)
    assert network.requests[0].content == b"\n".join(lines)
    assert [each.text for each in client.messages("encoded")] == [e["text"] for e in events[1:]]


def test_a_rejected_event_is_reported_and_the_others_are_stored(client: Client) -> None:
    bad = make_events("mixed", 1, "\0")[1]
    [result] = client.record([*make_events("mixed", 1), bad])
    assert (result.accepted, result.rejected) == (2, 1)
    error = result.results[2].error
    assert error is not None
    assert (error.code, error.field) == (
        "event_rejected",
        "$.participant_id",
    ) or error.field == "$.text"


def test_a_batch_is_lazy_until_its_first_result_is_read(connect: Callable[..., Client]) -> None:
    network = Network()
    results = connect(transport=network).record(make_events("lazy", 3), batch=2)
    assert network.requests == []
    next(results)
    assert len(network.requests) == 1


def test_every_page_of_a_long_conversation_is_read(client: Client) -> None:
    list(client.record(make_events("long", 230)))
    sequences = [message.sequence for message in client.messages("long")]
    assert len(sequences) == 230
    assert sequences == sorted(sequences)


def test_an_id_with_unusual_characters_finds_its_conversation(client: Client) -> None:
    client.create_conversation("web", conversation_id="a+b@c:d=~", participants=[ADA])
    client.post_message("a+b@c:d=~", "ada", "Hello")
    assert [message.text for message in client.messages("a+b@c:d=~")] == ["Hello"]


def test_a_problem_error_has_its_status_code_and_field(client: Client) -> None:
    client.create_conversation("web", conversation_id="strict", participants=[ADA])
    with pytest.raises(
        ProblemError, match=r"422 event_rejected: .* \(at \$\.participant_id\)"
    ) as caught:
        client.post_message("strict", "stranger", "Hello")
    assert (caught.value.status, caught.value.code) == (422, "event_rejected")
    assert caught.value.field == "$.participant_id"


def test_a_client_error_is_not_retried(connect: Callable[..., Client]) -> None:
    network = Network()
    with pytest.raises(ProblemError, match="unknown_conversation"):
        list(connect(transport=network).messages("no-such-conversation"))
    assert len(network.requests) == 1


def test_a_wrong_key_is_an_error_that_does_not_contain_the_key(
    connect: Callable[..., Client],
) -> None:
    stranger = connect(key="ck_wrong_secret_00")
    with pytest.raises(ProblemError) as caught:
        stranger.create_conversation("web")
    assert caught.value.code == "unauthorized"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "shortest"),
    [
        ({"retry-after": "7"}, 7.0),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:00:09 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            9.0,
        ),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_client_obeys_retry_after(
    connect: Callable[..., Client], headers: dict[str, str], shortest: float
) -> None:
    pauses: list[float] = []
    connect(answering(503, headers), wait=pauses.append).create_conversation("web")
    [pause] = pauses
    assert shortest < pause < shortest + 1


def test_the_client_backs_off_while_the_server_is_down(connect: Callable[..., Client]) -> None:
    pauses: list[float] = []
    connect(*[refuse_connection] * 5, wait=pauses.append).create_conversation("web")
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == 5


def test_a_retry_after_over_a_minute_is_raised(connect: Callable[..., Client]) -> None:
    busy = connect(answering(429, {"retry-after": "3600"}), wait=fail_on_wait)
    with pytest.raises(ProblemError) as caught:
        busy.create_conversation("web")
    assert (caught.value.status, caught.value.retry_after) == (429, 3600.0)


def test_an_unreachable_server_is_named_with_what_to_do(connect: Callable[..., Client]) -> None:
    client = connect(*[refuse_connection] * 3, retries=2)
    with pytest.raises(UnreachableError, match="convolake serve") as caught:
        client.create_conversation("web")
    assert client.url in str(caught.value)
    assert caught.value.is_retryable


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost"])
def test_an_invalid_url_is_reported_at_once(connect: Callable[..., Client], url: str) -> None:
    client = connect(url=url, wait=fail_on_wait)
    with pytest.raises(ClientError):
        client.create_conversation("web")
    with pytest.raises(ClientError):
        next(client.listen(after=0))


def test_an_agent_takes_a_handoff_answers_and_finishes_it(client: Client) -> None:
    people = [ADA, Participant(participant_id="helper", participant_role="bot")]
    client.create_conversation("web", conversation_id="asked", participants=people)
    asked = {"event_type": "handoff.requested", "handoff_id": "h1", "payload": {"reason": "policy"}}
    list(client.record([asked | {"conversation_id": "asked"}]))
    assert [each.conversation_id for each in client.handoffs()] == ["asked"]
    taken = client.accept_handoff("asked", "h1", "mira", event_id="taking")
    again = client.accept_handoff("asked", "h1", "mira", event_id="taking")
    assert (taken.status, again.status) == ("accepted", "duplicate")
    with pytest.raises(ProblemError) as caught:
        client.accept_handoff("asked", "h1", "jonas")
    assert caught.value.code == "handoff_state"
    [held] = client.handoffs("mira")
    assert held.handoff is not None
    assert (held.handoff.status, list(client.handoffs())) == ("accepted", [])
    epoch = held.control.epoch
    client.post_message("asked", "mira", "first", control_epoch=epoch)
    client.post_message("asked", "mira", "second", control_epoch=epoch)
    newest = [each.text for each in client.messages("asked", newest_first=True)]
    assert newest == ["second", "first"]
    assert client.typing("asked").items == []
    assert [each.participant_id for each in client.start_typing("asked", "mira").items] == ["mira"]
    client.resolve("asked", "mira", "agent", is_confirmed=True, reason="refunded")
    client.close_handoff("asked", "h1", "mira", reason="solved")
    done = client.conversation("asked")
    assert (done.state, done.control.owner, done.handoff) == ("resolved", "bot", None)
    with pytest.raises(ProblemError) as caught:
        client.return_handoff("asked", "h1", "mira")
    assert caught.value.code == "handoff_state"


def test_close_may_be_called_twice(connect: Callable[..., Client]) -> None:
    client = connect()
    client.wait_until_ready()
    client.close()
    client.close()


def test_the_bot_of_the_guide_answers_a_customer(server: tuple[str, str], client: Client) -> None:
    url, key = server
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/guide.md").read_text(), re.DOTALL)
    assert code is not None
    bot = code.group(1).replace("http://localhost:8000", url).replace("ck_…", key)
    bot = bot.replace("client.listen()", "client.listen(after=0)")  # it may start too late
    people = [ADA, Participant(participant_id="helper", participant_role="bot")]
    conversation_id = str(client.create_conversation("web", participants=people).conversation_id)
    client.post_message(conversation_id, "ada", "Where is my order?")
    process = subprocess.Popen([sys.executable, "-c", bot], cwd=ROOT)
    try:
        answers = ["Where is my order?", "You said: Where is my order?"]
        wait_until(
            lambda: [each.text for each in client.messages(conversation_id)] == answers,
            20,
            "the bot has answered",
        )
    finally:
        process.kill()
        process.wait()


def test_the_reviewer_of_the_guide_reviews_a_sample(
    server: tuple[str, str], client: Client
) -> None:
    url, key = server
    for name in ("web-1", "web-2", "web-3"):
        client.create_conversation("web", conversation_id=name, participants=[ADA])
    guide = (ROOT / "docs/guide.md").read_text().split("## Review conversations", 1)[1]
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    code = code.replace("http://localhost:8000", url).replace("ck_…", key)
    done = subprocess.run(
        [sys.executable, "-c", code + "print(scores)"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (sample,) = client.samples()
    assert 3 <= sample.item_count == sample.done_count == done.stdout.count("66.66") <= 12
    (dispute_of, *_) = client.reviews("week-1", reviewer="noor")
    client.dispute_review(
        dispute_of.conversation_id, dispute_of.review_id, "no", disputed_by="mira"
    )
    client.resolve_dispute(
        dispute_of.conversation_id, dispute_of.review_id, "changed",
        resolved_by="lead", ratings={"accuracy": 1, "tone": 1, "privacy": None},
    )  # fmt: skip
    client.acknowledge_review(
        dispute_of.conversation_id, dispute_of.review_id, acknowledged_by="mira"
    )
    (settled, *_) = client.reviews(conversation_id=dispute_of.conversation_id)
    assert (settled.score, settled.first_score) == (100.0, dispute_of.score)
    assert (settled.acknowledged_by, settled.disputes[0].resolved_by) == ("mira", "lead")
    with pytest.raises(ProblemError, match="scorecard_exists"):
        client.publish_scorecard(client.scorecards()[0])


def test_a_claim_may_be_repeated_and_given_back(
    client: Client, connect: Callable[..., Client]
) -> None:
    name = f"sample-{client.create_conversation('sms').conversation_id}"
    if not client.scorecards():
        tone = Category(id="tone", title="Tone")
        client.publish_scorecard(Scorecard(name="service", version=1, categories=[tone]))
    ids = [str(client.create_conversation("sms").conversation_id) for _ in range(2)]
    client.draw_sample(
        Sample(
            sample_id=name, title="Two", scorecard="service", scorecard_version=1, sampling="stratified",
            seed=1, population=2,
            items=[SampleItem(conversation_id=each, inclusion_probability=1, stratum="sms") for each in ids],
        )
    )  # fmt: skip
    unlucky = connect(lose_the_answer, answering(503))
    claim = unlucky.claim_item(name, "noor")
    assert claim is not None
    assert claim.conversation_id == ids[0]
    assert client.release_item(name, ids[0], "noor") is None
    client.replace_item(name, ids[0], "empty")
    (item,) = client.sample_items(name)
    assert (item.conversation_id, item.stratum, item.locked_by) == (ids[1], "sms", None)
    assert client.claim_item(name, "noor") is not None
    assert client.claim_item(name, "omar") is None
    with pytest.raises(ProblemError, match="unknown_sample"):
        client.claim_item("nothing", "noor")


def test_a_response_of_another_server_is_an_error(connect: Callable[..., Client]) -> None:
    client = connect(answering(200, text="<html>Welcome to your router</html>"))
    with pytest.raises(UnexpectedAnswerError, match="Is the URL right"):
        client.create_conversation("web")


def test_a_batch_without_one_result_for_each_event_is_an_error(
    connect: Callable[..., Client],
) -> None:
    short = '{"accepted": 2, "duplicate": 0, "conflict": 0, "rejected": 0, "results": []}'
    with pytest.raises(UnexpectedAnswerError, match="/v1/events answered 200"):
        list(connect(answering(200, text=short)).record(make_events("short", 1)))


def test_wait_until_ready_returns_when_the_api_is_ready(connect: Callable[..., Client]) -> None:
    pauses: list[float] = []
    connect(
        refuse_connection, answering(503), refuse_connection, wait=pauses.append
    ).wait_until_ready()
    assert len(pauses) == 3


def test_wait_until_ready_raises_after_its_timeout(connect: Callable[..., Client]) -> None:
    now = [0.0]
    client = connect(
        *[refuse_connection] * 100,
        clock=lambda: now[0],
        wait=lambda pause: now.__setitem__(0, now[0] + pause),
    )
    with pytest.raises(UnreachableError):
        client.wait_until_ready(timeout=2.0)
    assert 2.0 <= now[0] < 2.5


def test_a_listener_without_access_raises_the_reason(connect: Callable[..., Client]) -> None:
    client = connect(wait=fail_on_wait)
    for begin in (None, 0):
        with pytest.raises(ProblemError, match="unknown_conversation"):
            next(client.listen("no-such-conversation", begin))


def test_an_act_of_a_user_is_recorded_once_also_if_the_answer_is_lost(
    connect: Callable[..., Client],
) -> None:
    client = connect()
    before = client.ingest_stats().stored
    views = [client.record_view("noor", "admin", "c1", is_unmasked=on) for on in (False, True)]
    assert [each.status for each in views] == ["accepted", "accepted"]
    unlucky = connect(lose_the_answer)
    assert unlucky.record_search("noor", "reviewer", {"text": "refund"}).status == "duplicate"
    export = unlucky.record_export("sofia", "analyst", "list", "csv", 130, filters={"days": 30})
    query = unlucky.record_query("sofia", "analyst", "select 1", address="10.0.0.7")
    assert (export.status, query.status) == ("accepted", "accepted")
    assert unlucky.ingest_stats().stored == before + 5


@pytest.mark.parametrize("user", ["", "no one"])
def test_an_act_without_a_user_is_an_error(client: Client, user: str) -> None:
    with pytest.raises(ProblemError) as caught:
        client.record_query(user, "analyst", "select 1")
    assert caught.value.field == "$.participant_id"


def test_a_listener_gets_the_events_after_its_cursor(client: Client) -> None:
    list(client.record(make_events("heard", 3)))
    listener = client.listen("heard", after=2)
    assert [next(listener)["sequence"] for _ in range(3)] == [3, 4, 5]
    stats = client.ingest_stats()
    of_all = client.listen(after=encode_cursor({0: stats.stored - 1}))
    assert next(of_all)["position"] == stats.stored


def test_a_listener_resumes_after_a_lost_connection(
    connect: Callable[..., Client], tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path)
    key = get_or_create_local_key(settings, 0)
    with ExitStack() as first, ExitStack() as second:
        url = first.enter_context(run_server(create_app(settings)))
        away: list[float] = []

        def wait(pause: float) -> None:
            """While the listener pauses, the API restarts and stores more."""
            away.append(pause)
            if len(away) == 3:
                port = int(url.rpartition(":")[2])
                second.enter_context(run_server(create_app(settings), port))
                list(writer.record(make_events("interrupted", 150)[1:]))

        writer = connect(url=url, key=key)
        list(writer.record(make_events("interrupted", 2)))
        listener = connect(url=url, key=key, wait=wait, retries=2).listen("interrupted", after=0)
        sequences = [next(listener)["sequence"] for _ in range(3)]
        first.close()
        sequences += [next(listener)["sequence"] for _ in range(151)]
        listener.close()
    assert sequences == list(range(1, 155))
    assert away == sorted(away)


def test_the_log_of_a_bot_is_recorded_once_also_if_the_answer_is_lost(
    connect: Callable[..., Client],
) -> None:
    unlucky = connect(lose_the_answer)
    said = b'{"conversation_id":"bot-log","messages":[{"role":"user","content":"Hi"}]}'
    result = unlucky.record_logs("openai-chat", [said, b'{"cut'])
    assert (result.records, result.accepted) == (2, 0)
    assert [(each.record, each.error.code) for each in result.errors] == [(1, "malformed_body")]
    assert [message.text for message in unlucky.messages("bot-log")] == ["Hi"]


def test_a_framework_that_is_not_known_is_an_error(client: Client) -> None:
    with pytest.raises(ProblemError) as caught:
        client.record_logs("nothing", [b"{}"])
    assert caught.value.code == "unknown_framework"
