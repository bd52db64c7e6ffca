"""A data folder with handed-off, rated conversations, its API on a socket, and the reviews page over both."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextArea

from dashboards.reviews.sampling import draw_random
from dashboards.reviews.scorecards import DEFAULT
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.client import Client, NewReview, Review, Sample, SampleItem, Scorecard, needs_cause
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import run_server
from tests.dashboard_app import show_page
from tests.factories import Clock, Ids, Record

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
LOW_RATED = 30
"""Handed off in the last week, and rated 1 of 5."""
WEEK = {"from_": "2026-11-16", "to": "2026-11-22"}
FOUND = {"view": "draw", "handed_off": "yes", "rating": "negative", **WEEK}
"""The part of a URL that finds them."""


def story(
    conversation_id: str, began: datetime, score: int, version: str
) -> Iterator[dict[str, Any]]:
    """A conversation that the bot hands off, and the customer rates."""
    seconds = iter(range(0, 600, 10))

    def event(event_type: str, **more: Any) -> dict[str, Any]:
        at = began + timedelta(seconds=next(seconds))
        of = {"conversation_id": conversation_id, "event_type": event_type}
        return of | {"happened_at": at.isoformat()} | more

    bot = {"participant_id": "helper", "participant_role": "bot", "bot_version": version}
    ada = {"participant_id": "ada", "participant_role": "customer"}
    mira = {"participant_id": "mira", "participant_role": "agent"}
    yield event("conversation.created", channel="web")
    yield event(
        "message.created",
        message_id=f"{conversation_id}-1",
        text="My bill is wrong. ada@example.org",
        **ada,
    )
    yield event("message.created", message_id=f"{conversation_id}-2", text="It is right.", **bot)
    yield event(
        "handoff.requested", handoff_id=f"h-{conversation_id}", payload={"reason": "policy"}
    )
    yield event("handoff.accepted", handoff_id=f"h-{conversation_id}", **mira)
    yield event("message.created", message_id=f"{conversation_id}-3", text="I look.", **mira)
    yield event("feedback.submitted", payload={"score": score})


def stories() -> list[dict[str, Any]]:
    low = [
        story(
            f"low-{number:02}", NOW - timedelta(days=number % 6, hours=1, minutes=number), 1, "1.0"
        )
        for number in range(LOW_RATED)
    ]
    good = [
        story(
            f"good-{number:02}", NOW - timedelta(days=number % 6, hours=3, minutes=number), 5, "2.0"
        )
        for number in range(10)
    ]
    old = [
        story(f"old-{number:02}", NOW - timedelta(days=10, minutes=number), 1, "1.0")
        for number in range(5)
    ]
    events = [event for each in (*low, *good, *old) for event in each]
    return sorted(events, key=lambda event: str(event["happened_at"]))


class Desk:
    """A data folder with conversations, its API on a socket, and the page."""

    def __init__(self, settings: Settings, clock: Clock, url: str, key: str) -> None:
        self.settings = settings
        self.clock = clock
        self.client = Client(url, key, retries=0)
        self.key = key

    def open(self, reviewer: str = "noor", **address: str) -> AppTest:
        return show_page("reviews", **{"reviewer": reviewer, **address})

    def publish(self) -> None:
        card = Scorecard(name="service", version=1, categories=DEFAULT)
        self.client.publish_scorecard(card)

    def draw(self, size: int, sample_id: str = "s1", **changes: Any) -> None:
        """Draw a sample of the low-rated conversations, without the page."""
        drawn = draw_random([f"low-{number:02}" for number in range(LOW_RATED)], size, 1)
        items = [
            SampleItem(conversation_id=each.conversation_id, inclusion_probability=size / LOW_RATED)
            for each in drawn
        ]
        given: dict[str, Any] = {
            "sample_id": sample_id, "title": f"Sample {sample_id}", "scorecard": "service",
            "scorecard_version": 1, "sampling": "random", "seed": 1, "population": LOW_RATED, "items": items,
        }  # fmt: skip
        self.client.draw_sample(Sample(**given | changes))

    def review(self, reviewer: str, sample_id: str = "s1", **ratings: float) -> str:
        """Review the next conversation of a sample without the page; return its id."""
        claim = self.client.claim_item(sample_id, reviewer)
        assert claim is not None
        every: dict[str, float | None] = {each.id: 1.0 for each in DEFAULT}
        every.update(ratings)
        causes = {each.id: each.causes[:1] for each in DEFAULT if needs_cause(each, every[each.id])}
        review = NewReview(
            scorecard="service", scorecard_version=1, ratings=every, causes=causes, assignment_id=sample_id,
        )  # fmt: skip
        self.client.submit_review(claim.conversation_id, review, reviewer=reviewer)
        return claim.conversation_id

    def reviews(self) -> list[Review]:
        return list(self.client.reviews())

    def key_with(self, scope: str) -> str:
        """Return a new API key with one scope."""
        engine = open_engine(self.settings.database_url)
        key = create_key(engine, scope, self.clock(), Grant(frozenset({scope})))
        engine.dispose()
        return key

    def events(self, event_type: str) -> list[dict[str, Any]]:
        """Return the payloads of all events of a type, in order."""
        with closing(sqlite3.connect(self.settings.store_path)) as store:
            query = "select payload from events where event_type = ? order by position"
            rows = store.execute(query, (event_type,)).fetchall()
        return [json.loads(payload) for (payload,) in rows]

    def items(self, sample_id: str) -> list[str]:
        return [each.conversation_id for each in self.client.sample_items(sample_id)]


def make_folder(data: Path) -> None:
    """Put the conversations on record, and load them."""
    Record(Settings(data=data), Clock(NOW)).publish(stories())


@contextmanager
def running_desk(folder: Path, data: Path) -> Iterator[Desk]:
    """A desk over a copy of `folder` at `data`, until the block ends."""
    shutil.copytree(folder, data)
    settings, clock = Settings(data=data), Clock(NOW)
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids("review")))) as url:
        desk = Desk(settings, clock, url, key)
        yield desk
        desk.client.close()


def press(app: AppTest, label: str) -> AppTest:
    """Press the first button with a label."""
    found = [each for each in app.button if each.label == label]
    assert found, [each.label for each in app.button]
    found[0].click().run()
    assert not app.exception, app.exception
    return app


def rate(app: AppTest, **points: int) -> AppTest:
    """Rate every category of the default scorecard: the best point, unless another is given."""
    best = {each.id: each.scale - 1 for each in DEFAULT} | points
    causes = {each.id: each.causes[0] for each in DEFAULT}
    for each in app.radio:
        if str(each.key).startswith("rating"):
            each.set_value(best[str(each.key).rpartition(" ")[2]])
    app.run()
    for chosen in app.multiselect:
        if str(chosen.key).startswith("causes"):
            chosen.set_value([causes[str(chosen.key).rpartition(" ")[2]]])
    app.run()
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> str:
    elements = (*app.info, *app.warning, *app.error, *app.success, *app.caption, *app.text)
    return "\n".join(each.value for each in elements).replace("\u2068", "").replace("\u2069", "")


def score_shown(app: AppTest) -> str:
    return str(next(each.value for each in app.metric if each.label.startswith("Score")))


def review_next(desk: Desk, reviewer: str = "noor") -> AppTest:
    return desk.open(reviewer, view="review", sample="s1")


def comment_of(app: AppTest) -> TextArea:
    return next(each for each in app.text_area if each.label == "Comment on the conversation")


def pick(app: AppTest, label: str, value: str) -> None:
    next(each for each in app.selectbox if each.label == label).set_value(value).run()
    assert not app.exception, app.exception


def text_of(app: AppTest, label: str) -> TextArea:
    return next(each for each in app.text_area if each.label == label)
