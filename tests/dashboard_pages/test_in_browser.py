"""The dashboard in headless Chromium."""

from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.pages import PAGES
from ingest.settings import Settings
from tests.api_server import Installation, wait_until
from tests.beacon import Beacon
from tests.served_dashboard import SHOWN, WIDTHS, serve, visit


@pytest.fixture(scope="module")
def site(history: Settings, audit_api: Installation) -> Iterator[str]:
    """The URL of a dashboard that is started as in production; the first test sees its first page."""
    with serve(history, audit_api.environment) as served:
        yield served.url


FIRST_CELL = """
    const table = document.querySelector('[data-testid=stDataFrame] canvas').getBoundingClientRect();
    return [table.x + 100, table.y + 52];
"""


def test_a_hostile_message_is_text_in_a_browser_and_makes_no_request(
    browser: Any, site: str, beacon: Beacon
) -> None:
    beacon.requests.clear()
    visit(browser, f"{site}/conversations?conversation=hostile", "Handoff accepted")
    assert f"![x]({beacon.url}) <img src={beacon.url}> <script>" in browser.page_source.replace(
        "&lt;", "<"
    ).replace("&gt;", ">")
    assert (
        browser.execute_script(
            "return document.querySelectorAll('[data-testid=stMain] img').length"
        )
        == 0
    )
    # The dashboard's own navigation is there, although this was the server's first page.
    assert "Overview" in browser.execute_script("return document.body.innerText")
    visit(browser, f"{site}/conversations?search=gnp", "1 to 1 of 1 conversation")
    assert beacon.requests == []


def test_a_click_on_a_row_opens_its_transcript_and_its_link(browser: Any, site: str) -> None:
    browser.set_window_size(1440, 1700)
    visit(browser, f"{site}/conversations?search=gnp", "1 to 1 of 1 conversation")
    left, top = browser.execute_script(FIRST_CELL)
    for kind, button in (
        ("mouseMoved", "none"),
        ("mousePressed", "left"),
        ("mouseReleased", "left"),
    ):
        event = {"type": kind, "x": left, "y": top, "button": button, "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait_until(
        lambda: browser.execute_script(SHOWN, "Handoff accepted"), 60, "the transcript shows"
    )
    assert "conversation=hostile" in browser.current_url


def test_a_narrow_window_has_no_horizontal_scroll(browser: Any, site: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    for address, text in (
        ("", "Handoff rate by channel"),
        ("conversations", "newest first"),
        ("conversations?conversation=hostile", "Handoff accepted"),
    ):
        visit(browser, f"{site}/{address}", text)
        assert max(browser.execute_script(WIDTHS)) <= 400, address


def test_every_page_begins_with_its_title(browser: Any, site: str) -> None:
    for page in PAGES:
        visit(browser, f"{site}/{'' if page is PAGES[0] else page.folder}", page.title)
        text = browser.execute_script(
            "return document.querySelector('[data-testid=stMain]').innerText"
        )
        assert text.strip().startswith(page.title), page.folder
