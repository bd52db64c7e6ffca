"""Hostile text in every place that shows text: no script of it runs, and no request of it leaves.

A new page is opened too, by the list of pages; what it shows of the record it must show as plain text.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from dashboards.ask_sql.result import CANNOT_RUN
from dashboards.pages import PAGES
from tests.api_server import Installation, wait_until
from tests.beacon import Beacon
from tests.factories import free_port
from tests.hostile_record import ALL, build, conversation_of
from tests.hostile_reviews import CARD, sample_of
from tests.hostile_texts import hostile_texts
from tests.served_dashboard import CLICK, SHOWN, Browser, answers, serve
from warehouse.lake import connect

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None,
        reason="chromium and chromedriver are not installed",
    ),
]

WHOLE = bool(os.environ.get("PROVE"))
"""Open the conversation of every text; else of some."""
HOSTILE_RESULT = """
select text as "image", text as "![x]({beacon})", 1 as "<img src={beacon}>", length(text) as "title"
from messages where conversation_id = 'all-texts' order by sequence
"""

HOSTILE_QUERIES = (
    "select '{beacon}",
    'select * from "![x]({beacon})"',
    'select "read_![x]({beacon})"(1)',
    'select "[link]({beacon})", 1 from conversations',
    'from "<img src={beacon}>"."![x]({beacon})"',
)
"""Queries that fail, and whose errors repeat them."""

SERVER: list[int] = []
"""Process id of the dashboard."""

Address = tuple[str, str, tuple[tuple[str, str], ...]]


@pytest.fixture(scope="module")
def beacon() -> Iterator[Beacon]:
    listener = Beacon()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def hostile(audit_api: Installation, beacon: Beacon) -> Installation:
    build(audit_api, beacon.url)
    return audit_api


@pytest.fixture(scope="module")
def site(hostile: Installation) -> Iterator[str]:
    with serve(hostile.settings, hostile.environment) as served:
        SERVER[:] = [served.pid]
        yield served.url


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


def test_the_texts_are_on_record_in_every_place(hostile: Installation, beacon: Beacon) -> None:
    texts = hostile_texts(beacon.url)
    assert len(set(texts)) == len(texts) >= 60
    places = {
        "messages": "text",
        "handoffs": "reason",
        "turns": "intent",
        "feedback": "comment",
        "reviews": "comment",
        "review_items": "replaced_reason",
        "receipts": "error_code",
    }
    with connect(hostile.settings.warehouse_path) as con:
        for table, column in places.items():
            found = {row[0] for row in con.execute(f"select {column} from {table}").fetchall()}
            assert set(texts) <= found | {
                text.strip() for text in texts if text.strip() in found
            }, table
        queues = con.execute("select count(distinct queue) from handoffs").fetchall()
        assert queues == [(len({conversation_of(0, text) for text in texts}),)]
    rejected = hostile.http.get("/v1/rejected?limit=100").json()["items"]
    assert len(rejected) == len(texts)


def addresses(hostile: Installation, beacon: Beacon) -> list[Address]:
    """Every page with text of the record, and what shows that it is complete."""
    texts = hostile_texts(beacon.url)
    opened = [(number, text) for number, text in enumerate(texts) if WHOLE or number % 12 == 0]
    rejected = hostile.http.get("/v1/rejected?limit=25").json()["items"]
    sql = quote(HOSTILE_RESULT.format(beacon=beacon.url))
    run = (("Run", "rows in"), ("Chart", "Across"))
    found: list[Address] = [
        *((f"conversations?page={page}", "newest first", ()) for page in (1, 2, 3)),
        *((f"conversations?conversation={ALL}&part={part}", ALL, ()) for part in (1, 2, 3, 4)),
        *(
            (
                f"conversations?conversation={quote(conversation_of(*each), safe='')}",
                "Handoff accepted",
                (),
            )
            for each in opened
        ),
        ("conversations?reason=image", "newest first", ()),
        (f"conversations?conversation={ALL}&view=print", ALL, ()),
        (f"desk?conversation={ALL}", ALL, ()),
        *_review_addresses([number for number, _ in opened], hostile),
        ("metrics?metric=handoff_reasons", "Formula", ()),
        ("metrics?metric=csat", "Formula", ()),
        (f"ask_sql?q={sql}", "Run", run),
        (f"ask_sql?q={sql}&x=image&colour=image&kind=point", "Run", run),
        *(
            (f"ask_sql?q={quote(each.format(beacon=beacon.url))}", "Run", (("Run", CANNOT_RUN),))
            for each in HOSTILE_QUERIES
        ),
        *(
            (f"health?rejected={each['rejected_id']}", "Storage", ())
            for each in rejected[:: 1 if WHOLE else 8]
        ),
    ]
    return [*found, *((page.folder, page.title, ()) for page in PAGES)]


def _review_addresses(numbers: list[int], hostile: Installation) -> list[Address]:
    """The reviews page as a lead sees it: each view, and samples and reviews of some texts."""
    reviews = hostile.http.get("/v1/reviews?limit=100").json()["items"]
    visible = [each for each in reviews if each["assignment_id"] is None]
    page = "reviews?reviewer=lead&view="
    return [
        (f"{page}samples", "done", ()),
        *((f"{page}samples&sample={sample_of(each)}", "Conversations", ()) for each in numbers),
        *((f"{page}review&sample={sample_of(each)}", "locked for you", ()) for each in numbers),
        *(
            (f"{page}reviews&review={each['review_id']}", "Comments on messages", ())
            for each in visible[::12]
        ),
        (f"{page}agreement", "reviews", ()),
        (f"{page}scores", "Score", ()),
        (f"{page}scorecards", CARD, ()),
        (f"{page}draw", "Draw", ()),
    ]


def test_no_script_runs_and_no_request_leaves_on_any_page(
    hostile: Installation, site: str, chromium: Browser, beacon: Beacon
) -> None:
    beacon.requests.clear()
    for address, shown, clicks in addresses(hostile, beacon):
        chromium.visit(f"{site}/{address}", shown, *clicks)
        assert not chromium.script_ran(), address
        assert chromium.strangers(site) == [], address
        _point_at_charts(chromium)
        assert not chromium.run(LOADED, beacon.url), address
    assert beacon.requests == []
    assert len(chromium.requested) > 100


LOADED = """
    const main = document.querySelector('[data-testid=stMain]');
    const loading = 'img, iframe, object, embed, video, audio, link, script, base, form, style, svg image, svg use';
    const loaded = [...main.querySelectorAll(loading)].map(each => each.cloneNode(false).outerHTML)
        .filter(each => each.includes(arguments[0]) || each.includes('hostile'));
    const links = [...main.querySelectorAll('a[href]')].map(each => each.href)
        .filter(each => !each.startsWith(location.origin + '/'));
    return [...loaded, ...links];
"""
"""What a text has put into the page: an element that loads something, or a link that leaves the dashboard."""
PLACES = """
    return [...document.querySelectorAll('[data-testid=stVegaLiteChart] path, [data-testid=stVegaLiteChart] canvas')]
        .slice(0, 6).map(each => each.getBoundingClientRect()).map(each => [each.x + each.width / 2, each.y + each.height / 2]);
"""


def _point_at_charts(chromium: Browser) -> None:
    """Show tooltips: a chart would load the image that a field of that name has."""
    for x, y in chromium.run(PLACES):
        if 0 < y < 1600:
            chromium.point_at(x, y)


@contextmanager
def control_page(source: str) -> Iterator[str]:
    """The URL of a Streamlit page with this source."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        page = Path(folder) / "page.py"
        page.write_text(source)
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(page), f"--server.port={port}",
             "--server.headless=true", "--server.address=127.0.0.1", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/_stcore/health"), 60, "the page answers")
            yield url
        finally:
            process.terminate()
            process.wait(30)


ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"


def test_stop_ends_the_query_and_its_process(site: str, chromium: Browser) -> None:
    chromium.resize(1440, 1400)
    chromium.visit(f"{site}/ask_sql?q={quote(ENDLESS)}", "Run")
    wait_until(lambda: chromium.run(CLICK, "Run"), 20, "Run")
    wait_until(children, 30, "the query has a process")
    wait_until(lambda: chromium.run(CLICK, "Stop"), 20, "Stop")
    shown = "The query was stopped before it had an answer"
    wait_until(lambda: chromium.run(SHOWN, shown), 20, shown)
    assert not children()


def children() -> list[int]:
    """The processes of queries on this machine that the dashboard of this test has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            status = (folder / "status").read_text()
        except OSError:
            continue
        if b"warehouse.query_child" in command and f"PPid:\t{SERVER[0]}\n" in status:
            found.append(int(folder.name))
    return found


CONTROL = """
import streamlit as st
text = {text!r}
{show}
st.write("shown")
"""
IMAGE = "![x]({b}) <img src={b}>"
SCRIPT = '<img src=x onerror="window.hostile=1"><script>window.hostile=1</script>'


@pytest.mark.parametrize(
    ("show", "text", "is_request"),
    [
        ("st.markdown(text)", IMAGE, True),
        ("st.markdown(text, unsafe_allow_html=True)", IMAGE, True),
        ("st.caption(text)", IMAGE, True),
        ("st.html(text, unsafe_allow_javascript=True)", SCRIPT, False),
    ],
)
def test_a_page_that_renders_text_is_caught(
    chromium: Browser, beacon: Beacon, show: str, text: str, is_request: bool
) -> None:
    """The control: the same browser and the same beacon notice a page without the safeguard."""
    beacon.requests.clear()
    chromium.forget()
    with control_page(CONTROL.format(text=text.format(b=beacon.url), show=show)) as url:
        chromium.visit(url, "shown")
        wait_until(
            lambda: beacon.requests if is_request else chromium.script_ran(), 20, "it is caught"
        )
        chromium.visit(url, "shown")
        assert bool(chromium.strangers(url)) == is_request
        chromium.forget()
