"""`make screenshots`: every page of a demo record, light and dark, 1440 and 400 px wide, into `build/screenshots`.

The pictures of the README are the upper part of some of them.
"""

import base64
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from urllib.parse import quote

from convolake.simulate import history
from dashboards.pages import PAGES
from dashboards.reviews.sampling import draw_random
from dashboards.reviews.scorecards import DEFAULT
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client, NewReview, Sample, SampleItem, Scorecard
from ingest.settings import Settings
from tests.api_server import run_server
from tests.factories import Clock, Record
from tests.served_dashboard import ROOT, Browser, serve

TARGET = ROOT / "build" / "screenshots"
README = ROOT / "docs" / "images"
IN_README = {"overview", "reviews_review"}
README_HEIGHT = 1100
DAYS, A_DAY = 60, 6
WIDTHS = (1440, 400)
THEMES = ("light", "dark")
MAX_HEIGHT = 5000
HEIGHT = "return document.querySelector('[data-testid=stMain]').scrollHeight"
QUERY = """select happened_on, participant_role, count(*) as messages
from messages
group by all
order by all"""

WHO = "reviewer=noor"

View = tuple[str, str, str, tuple[tuple[str, str], ...]]
"""Name of the picture, address, text that shows the page is there, and clicks."""


def views(conversation_id: str) -> list[View]:
    """Return every page, and what opens from one."""
    sql = f"ask_sql?q={quote(QUERY)}&kind=line&colour=participant_role"
    return [
        (PAGES[0].folder, "", PAGES[0].title, ()),
        *((page.folder, page.folder, page.title, ()) for page in PAGES[1:]),
        (
            "transcript",
            f"conversations?conversation={quote(conversation_id, safe='')}",
            "Started",
            (),
        ),
        ("metric", "metrics?metric=containment", "Formula", ()),
        ("reviews_samples", f"reviews?{WHO}", "Review next", ()),
        ("reviews_review", f"reviews?{WHO}&view=review&sample=week", "Give it back", ()),
        (
            "reviews_agreement",
            f"reviews?{WHO}&view=agreement&category=tone",
            "Where they differ",
            (),
        ),
        ("reviews_scores", f"reviews?{WHO}&view=scores", "Targeted samples", ()),
        ("ask_sql_result", sql, "Run", (("Run", "rows in"),)),
        ("ask_sql_chart", sql, "Run", (("Run", "rows in"), ("Chart", "Across"))),
    ]


def review(client: Client, conversations: list[str]) -> None:
    """Publish the default scorecard, draw two samples, and review most of them, one twice."""
    client.publish_scorecard(Scorecard(name="service", version=1, categories=DEFAULT))
    random = Random(5)  # noqa: S311 (a story, not a secret)
    for sample_id, title, reviewers in (
        ("week", "This week, all channels", ("sam",)),
        ("double", "Double review", ("noor", "sam")),
    ):
        drawn = draw_random(conversations, 20, 5)
        items = [
            SampleItem(conversation_id=each.conversation_id, inclusion_probability=each.inclusion_probability)
            for each in drawn
        ]  # fmt: skip
        sample = Sample(
            sample_id=sample_id, title=title, scorecard="service", scorecard_version=1, sampling="random", seed=5,
            population=len(conversations), items=items, reviews_per_conversation=len(reviewers),
        )  # fmt: skip
        client.draw_sample(sample, drawn_by="lead")
        for reviewer in reviewers:
            for _ in range(14):
                judge(client, sample_id, reviewer, random)


def judge(client: Client, sample_id: str, reviewer: str, random: Random) -> None:
    """Review the next conversation of a sample, mostly well."""
    claim = client.claim_item(sample_id, reviewer)
    if claim is None:
        return
    ratings: dict[str, float | None] = {
        each.id: random.choice((1, 1, 1, 1, 0.5)) if each.scale == 3 else 1.0 for each in DEFAULT
    }
    given = NewReview(
        scorecard="service", scorecard_version=1, ratings=ratings, assignment_id=sample_id, seconds_spent=180
    )  # fmt: skip
    client.submit_review(claim.conversation_id, given, reviewer=reviewer)


def take(browser: Browser, url: str, view: View, theme: str, width: int) -> None:
    """Save the whole page as a picture."""
    name, address, shown, clicks = view
    browser.choose_theme(theme)
    browser.resize(width, 1200)
    browser.visit(f"{url}/{address}", shown, *clicks)
    browser.resize(width, min(MAX_HEIGHT, max(800, int(browser.run(HEIGHT)))))
    browser.point_at(2, 2)
    save(browser, TARGET / f"{name}-{width}-{theme}.png", {})
    if name in IN_README and (width, theme) == (1440, "light"):
        upper = {"x": 0, "y": 0, "width": width, "height": README_HEIGHT, "scale": 1}
        save(browser, README / f"{name}.png", {"clip": upper})


def save(browser: Browser, path: Path, options: dict[str, object]) -> None:
    """Save what the browser shows. `options`: of the command Page.captureScreenshot."""
    given = {"format": "png", **options}
    picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", given)
    path.write_bytes(base64.b64decode(picture["data"]))


def main() -> None:
    """Simulate, load, serve, and take every picture."""
    TARGET.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        record = Record(Settings(data=Path(folder) / "data"), Clock(now))
        record.publish(sorted(history(A_DAY, DAYS, now), key=lambda each: str(each["happened_at"])))
        (longest,) = record.query(
            "select conversation_id from conversations where handoff_count > 0 "
            "order by message_count desc, conversation_id limit 1"
        )
        key = get_or_create_local_key(record.settings, record.clock())
        api = FastPathMiddleware(create_app(record.settings, record.clock))
        with (
            run_server(api) as api_url,
            serve(
                record.settings, {"CONVOLAKE_API_URL": api_url, "CONVOLAKE_API_KEY": key}
            ) as dashboard,
        ):
            with Client(api_url, key) as client:
                review(client, [each.conversation_id for each in client.conversations()])
            browser = Browser(Path(folder) / "browser")
            try:
                for view in views(longest["conversation_id"]):
                    for theme in THEMES:
                        for width in WIDTHS:
                            take(browser, dashboard.url, view, theme, width)
            finally:
                browser.close()


if __name__ == "__main__":
    main()
