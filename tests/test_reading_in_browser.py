"""Transcripts and the desk in headless Chromium: links, print, and a live conversation."""

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboards.serve import command
from ingest.settings import Settings
from tests.api_server import Installation, wait_until
from tests.factories import Clock, Record, free_port
from tests.served_dashboard import WIDTHS, answers, visit
from tests.test_desk import ask_for_a_human
from tests.test_transcript import LONG, NOW, long_story, story

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
MARKED = """
    const marked = document.querySelector('[class*="st-key-marked-"]');
    const place = marked && marked.getBoundingClientRect();
    return Boolean(place) && place.top >= 0 && place.bottom <= window.innerHeight;
"""
DISPLAY = "return getComputedStyle(document.querySelector(arguments[0])).display"


@contextmanager
def dashboard(settings: Settings, **variables: str) -> Iterator[str]:
    """The URL of a dashboard that is started as in production."""
    settings = settings.model_copy(update={"dashboard_port": free_port()})
    environment = {**os.environ, "CONVOLAKE_DATA": str(settings.data), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(settings),
            env=environment | variables,
            stdout=log,
            stderr=log,
            cwd=settings.data,
        )
        url = f"http://127.0.0.1:{settings.dashboard_port}"
        try:
            wait_until(lambda: answers(f"{url}/_stcore/health"), 60, "the dashboard answers")
            yield url
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, audit_api: Installation) -> Iterator[str]:
    """A dashboard with a short and a long conversation."""
    settings = Settings(data=tmp_path_factory.mktemp("reading") / "data")
    Record(settings, Clock(NOW)).publish([*story(), *long_story()])
    with dashboard(settings, **audit_api.environment) as url:
        yield url


def resize(browser: Any, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def shows(browser: Any, text: str) -> None:
    script = "return document.body.innerText.includes(arguments[0])"
    wait_until(lambda: browser.execute_script(script, text), 60, f"the page shows {text!r}")


def click(browser: Any, selector: str, text: str) -> None:
    """Click the first enabled element of a kind that has this text."""
    script = """
        const found = [...document.querySelectorAll(arguments[0])].find(
            each => each.innerText.includes(arguments[1]) && !each.disabled);
        if (found) found.click();
        return Boolean(found);
    """
    wait_until(
        lambda: browser.execute_script(script, selector, text), 60, f"{text!r} can be clicked"
    )


def test_a_click_on_the_number_of_an_entry_opens_at_it_and_its_link_can_be_copied(
    browser: Any, site: str
) -> None:
    resize(browser, 1440, 1000)
    visit(browser, f"{site}/conversations?conversation=long&part=51", "line 5000")
    click(browser, "[data-testid=stPageLink] a", "#5002")
    shows(browser, "From two entries before #5002")
    wait_until(lambda: "event=5002" in browser.current_url, 20, "the address names the entry")
    wait_until(lambda: browser.execute_script(MARKED), 20, "the marked entry is in the window")
    copied = browser.current_url
    visit(browser, copied, "From two entries before #5002")
    wait_until(lambda: browser.execute_script(MARKED), 20, "the link opens at the entry")


def test_a_printed_sheet_has_all_its_entries_and_no_controls(browser: Any, site: str) -> None:
    visit(browser, f"{site}/conversations?conversation=long&view=print", "line 1998")
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))
    assert pages >= 2 * 1998 / 80  # two lines an entry, and at most 80 lines on a page
    assert browser.execute_script(DISPLAY, ".st-key-print-tools") != "none"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for control in (".st-key-print-tools", ".st-key-transcript-top", "[data-testid=stHeader]"):
        assert browser.execute_script(DISPLAY, control) == "none", control


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("conversation=c1&event=20", "One more thing"),
        ("conversation=c1&view=print", "One more thing"),
        (f"conversation=long&event={LONG}&find=line", "Previous"),
    ],
)
def test_a_transcript_fits_a_phone(browser: Any, site: str, address: str, text: str) -> None:
    resize(browser, 400, 800)
    visit(browser, f"{site}/conversations?{address}", text)
    assert max(browser.execute_script(WIDTHS)) <= 400


def test_an_agent_takes_a_handoff_in_the_browser_and_both_sides_talk(
    browser: Any, installation: Installation
) -> None:
    ask_for_a_human(installation, "c1")
    with dashboard(installation.settings, **installation.environment) as url:
        resize(browser, 400, 1200)
        visit(browser, f"{url}/desk?agent=mira", "Waiting (1)")
        click(browser, "button", "Take")
        shows(browser, "You have control")
        assert "conversation=c1" in browser.current_url
        assert max(browser.execute_script(WIDTHS)) <= 400
        send = "//button[contains(., 'Send') and not(@disabled)]"
        wait_until(lambda: browser.find_elements("xpath", send), 60, "the agent can answer")
        answer = "textarea"
        wait_until(lambda: browser.find_elements("css selector", answer), 60, "the text is there")
        browser.find_element("css selector", answer).send_keys("Hello, I am Mira.")
        browser.find_element("xpath", send).click()
        read = "/v1/conversations/c1/messages"
        wait_until(
            lambda: installation.http.get(read).json()["items"][-1]["text"] == "Hello, I am Mira.",
            30,
            "the answer is on the record",
        )
        installation.post(read, {"participant_id": "ada", "text": "At last!"})
        shows(browser, "At last!")
