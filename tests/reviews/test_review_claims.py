"""Concurrent claims: no conversation is held by more reviewers than it needs reviews, and none twice by one."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest

from ingest.client import (
    Category,
    Client,
    NewReview,
    ProblemError,
    Sample,
    SampleItem,
    Scorecard,
)
from ingest.settings import Settings
from tests.cluster.apis import several_apis
from tests.factories import make_conversation

REVIEWERS = [f"reviewer-{number}" for number in range(20)]
ITEMS = [f"c{number}" for number in range(10)]


@pytest.fixture
def clients(settings: Settings) -> Iterator[list[Client]]:
    """A client of each of two APIs of one log. A sample of 10 is drawn."""
    with several_apis(settings, 2) as apis, ExitStack() as stack:
        clients = [stack.enter_context(Client(each.url, each.key)) for each in apis]
        draw(clients[0])
        yield clients


def draw(client: Client) -> None:
    list(client.record([event for each in ITEMS for event in make_conversation(each)]))
    tone = Category(id="tone", title="Tone")
    client.publish_scorecard(Scorecard(name="service", version=1, categories=[tone]))
    client.draw_sample(
        Sample(
            sample_id="s1",
            title="Double review",
            scorecard="service",
            scorecard_version=1,
            sampling="random",
            seed=1,
            population=10,
            items=[SampleItem(conversation_id=each, inclusion_probability=1.0) for each in ITEMS],
            reviews_per_conversation=2,
        )
    )


def test_twenty_reviewers_who_claim_at_once_share_ten_conversations(clients: list[Client]) -> None:
    start = Barrier(len(REVIEWERS))

    def claim(number: int) -> str | None:
        start.wait()
        claim = clients[number % len(clients)].claim_item("s1", REVIEWERS[number])
        return None if claim is None else claim.conversation_id

    with ThreadPoolExecutor(len(REVIEWERS)) as pool:
        claimed = list(pool.map(claim, range(len(REVIEWERS))))
    assert Counter(claimed) == dict.fromkeys(ITEMS, 2)
    assert clients[0].claim_item("s1", "one-more") is None


def test_reviewers_who_work_at_once_review_each_conversation_twice(clients: list[Client]) -> None:
    review = NewReview(
        scorecard="service", scorecard_version=1, ratings={"tone": 1.0}, assignment_id="s1"
    )

    def work(number: int) -> list[str]:
        """Claim and review until nothing is left; a rejected review means that a lock was not kept."""
        client, reviewer, done = clients[number % len(clients)], REVIEWERS[number], []
        while (claim := client.claim_item("s1", reviewer)) is not None:
            client.submit_review(claim.conversation_id, review, reviewer=reviewer)
            done.append(claim.conversation_id)
        return done

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(len(REVIEWERS))))
    assert Counter(each for done in results for each in done) == dict.fromkeys(ITEMS, 2)
    assert all(len(done) == len(set(done)) for done in results)
    (sample,) = clients[0].samples()
    assert (sample.done_count, sample.review_count, sample.locked_count) == (10, 20, 0)
    assert len(clients[0].reviews("s1")) == 20


def test_one_lock_lets_one_review_through(clients: list[Client]) -> None:
    """The same reviewer submits twice at once, as with two open tabs."""
    review = NewReview(
        scorecard="service", scorecard_version=1, ratings={"tone": 1.0}, assignment_id="s1"
    )
    claim = clients[0].claim_item("s1", "noor")
    assert claim is not None
    start = Barrier(2)

    def submit(number: int) -> str:
        start.wait()
        try:
            client = clients[number % len(clients)]
            return client.submit_review(claim.conversation_id, review, reviewer="noor").status
        except ProblemError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(submit, range(2)))
    assert answers == ["accepted", "review_item_not_held"]
