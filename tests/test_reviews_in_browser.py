"""The reviews page in Chromium: hostile texts stay text, the keyboard is enough, and a phone is wide enough."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.reviews.scorecards import DEFAULT
from dashboards.reviews.visit import VIEWS
from dashboards.serve import command
from ingest.client import Category, CorrectedAnswer, NewReview, PinnedComment, Scorecard
from tests.api_server import wait_until
from tests.beacon import Beacon
from tests.dashboard_app import APP
from tests.dashboard_pages.stories import hostile_text
from tests.factories import free_port
from tests.review_desk import Desk, make_folder, running_desk
from tests.served_dashboard import SHOWN, WIDTHS, answers, visit

pytestmark = pytest.mark.long

ENDS = {
    "samples": "Review next",
    "draw": "Draw the sample",
    "review": "Give it back",
    "reviews": "click a row to open it",
    "agreement": "Where they differ",
    "scores": "Targeted samples",
    "scorecards": "Publish version",
}
"""Words that each view shows when it is complete."""


@pytest.fixture(scope="module")
def beacon() -> Iterator[Beacon]:
    listener = Beacon()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, beacon: Beacon) -> Iterator[Desk]:
    """Samples and reviews with hostile texts wherever a person can type."""
    folder = tmp_path_factory.mktemp("browser")
    make_folder(folder / "made")
    with running_desk(folder / "made", folder / "data") as desk:
        write_hostile_reviews(desk, hostile_text(beacon.url))
        yield desk


def write_hostile_reviews(desk: Desk, text: str) -> None:
    short = text[:60]
    tone = Category(id="tone", title=text[:200], group=short, scale=3, causes=[short, "Other"])
    desk.client.publish_scorecard(
        Scorecard(name="service", version=1, categories=[*DEFAULT[:3], tone])
    )
    desk.draw(6, title=text[:200], reviews_per_conversation=2)
    ids = [each.id for each in DEFAULT[:3]]
    for reviewer, rating in (("noor", 0.0), ("sam", 1.0)):
        for _ in range(2):
            claim = desk.client.claim_item("s1", reviewer)
            assert claim is not None
            given: dict[str, float | None] = {**dict.fromkeys(ids, 1.0), "tone": rating}
            message_id = f"{claim.conversation_id}-2"
            review = NewReview(
                scorecard="service", scorecard_version=1, ratings=given, assignment_id="s1", comment=text,
                causes={"tone": [short]}, tags=[short],
                comments=[PinnedComment(message_id=message_id, text=text)],
                corrected_answers=[CorrectedAnswer(message_id=message_id, text=text)],
            )  # fmt: skip
            desk.client.submit_review(claim.conversation_id, review, reviewer=reviewer)
    first = desk.reviews()[0]
    desk.client.dispute_review(first.conversation_id, first.review_id, text, disputed_by="mira")
    desk.client.replace_item("s1", desk.items("s1")[-1], text, replaced_by="mira")


@pytest.fixture(scope="module")
def site(desk: Desk) -> Iterator[str]:
    """The URL of the reviews page, started as in production."""
    settings = desk.settings.model_copy(update={"dashboard_port": free_port()})
    environment = {
        **os.environ,
        "CONVOLAKE_DATA": str(settings.data),
        "CONVOLAKE_API_URL": desk.client.url,
        "CONVOLAKE_API_KEY": desk.key,
        "PYTHONPATH": str(APP.parent.parent),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(settings), env=environment, stdout=log, stderr=log, cwd=settings.data
        )
        url = f"http://127.0.0.1:{settings.dashboard_port}"
        try:
            wait_until(lambda: answers(f"{url}/_stcore/health"), 60, "the dashboard answers")
            yield f"{url}/reviews"
        finally:
            process.terminate()
            process.wait(30)


def addresses(desk: Desk) -> dict[str, str]:
    """Every view, one sample and one review, with what they show at the end."""
    disputed = next(each for each in desk.reviews() if each.status == "disputed")
    views = {
        f"?reviewer=lead&view={view}&sample=s1&category=tone": ENDS[view]
        for view in VIEWS
        if view not in ("samples", "reviews")
    }
    return views | {
        "?reviewer=lead": ENDS["samples"],
        "?reviewer=lead&sample=s1": "Replace a conversation, or take it out",
        "?reviewer=lead&view=reviews": ENDS["reviews"],
        f"?reviewer=lead&view=reviews&review={disputed.review_id}": "Decide on the dispute",
    }


def test_hostile_texts_are_text_everywhere_and_make_no_request(
    browser: Any, site: str, desk: Desk, beacon: Beacon
) -> None:
    beacon.requests.clear()
    for address, end in addresses(desk).items():
        visit(browser, site + address, end)
        images = "return document.querySelectorAll('[data-testid=stMain] img').length"
        assert browser.execute_script(images) == 0, address
        links = "return [...document.querySelectorAll('[data-testid=stMain] a')].map(a => a.href)"
        assert not [each for each in browser.execute_script(links) if "beacon" in each], address
    visit(browser, f"{site}?reviewer=lead", ENDS["samples"])
    assert f"![x]({beacon.url}) <img src={beacon.url}> <script>" in browser.execute_script(
        "return document.body.innerText"
    )
    assert beacon.requests == []


def test_a_phone_shows_every_view_without_horizontal_scroll(
    browser: Any, site: str, desk: Desk
) -> None:
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for address, end in addresses(desk).items():
        visit(browser, site + address, end)
        assert max(browser.execute_script(WIDTHS)) <= 400, address


RATED = """
    const app = document.querySelector('[data-testid=stApp]');
    const best = [...document.querySelectorAll('[role=radiogroup] input:checked')].filter(each => each.value == '2');
    const missing = {1: 'Missing: 3 ratings', 2: 'Missing: a rating', 3: 'Missing: a rating', 4: null}[arguments[0]];
    const text = document.body.innerText;
    return app.getAttribute('data-test-script-state') === 'notRunning' && best.length == arguments[0]
        && (missing === null ? !text.includes('Missing') : text.includes(missing));
"""
"""Whether this number of categories has the best rating, and the page shows it."""


def test_a_conversation_is_reviewed_with_the_keyboard_alone(
    browser: Any, site: str, desk: Desk
) -> None:
    from selenium.webdriver import ActionChains, Keys

    before = len(desk.reviews())
    visit(browser, f"{site}?reviewer=kim&view=review&sample=s1", "Missing: 4 ratings")
    for rated in range(1, 5):
        tab_to_next_rating(browser)
        ActionChains(browser).send_keys(Keys.SPACE, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
        wait_until(
            lambda rated=rated: browser.execute_script(RATED, rated),  # type: ignore[misc]
            30,
            f"{rated} ratings",
        )
    ActionChains(browser).key_down(Keys.ALT).send_keys("s").key_up(Keys.ALT).perform()
    wait_until(
        lambda: browser.execute_script(SHOWN, "with a score of 100.0"),
        30,
        "the review is submitted",
    )
    reviews = desk.reviews()
    assert len(reviews) == before + 1
    assert (reviews[-1].reviewer, reviews[-1].score) == ("kim", 100)


def tab_to_next_rating(browser: Any) -> None:
    """Press Tab until a rating that is not chosen yet has the focus."""
    from selenium.webdriver import ActionChains, Keys

    for _ in range(60):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        is_rating = (
            "const e = document.activeElement; const g = e.closest('[role=radiogroup]');"
            "return e.type === 'radio' && !!g && !g.querySelector('input:checked');"
        )
        if browser.execute_script(is_rating):
            return
    pytest.fail("no rating can be reached with the keyboard")
