"""The dashboard as it is served in production, and a browser that keeps every request it makes."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException

from dashboards.serve import command
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.factories import free_port

ROOT = Path(__file__).parent.parent
QUIET = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
    "disable-background-networking", "disable-component-update", "disable-dev-shm-usage",
    "hide-scrollbars", "window-size=1440,1600",
)  # fmt: skip
SHOWN = """
    const app = document.querySelector('[data-testid=stApp]');
    return Boolean(app) && app.getAttribute('data-test-script-state') === 'notRunning'
        && !document.querySelector('[data-testid=stSkeleton]')
        && document.body.innerText.includes(arguments[0]);
"""
CLICK = """
    const all = [...document.querySelectorAll('[data-testid=stMain] button, [role=tab], summary')];
    const found = all.find(each => each.innerText.includes(arguments[0]));
    if (found) found.click();
    return Boolean(found);
"""

WIDTHS = """
    const main = document.querySelector('[data-testid=stMain]');
    return [document.documentElement.scrollWidth, main.scrollWidth];
"""


class Served(NamedTuple):
    """A dashboard: its URL, and the id of its process."""

    url: str
    pid: int


@contextmanager
def serve(settings: Settings, environment: Mapping[str, str]) -> Iterator[Served]:
    """A dashboard of a data folder, served until the block ends."""
    settings = settings.model_copy(update={"dashboard_port": free_port()})
    whole = {
        **os.environ,
        **environment,
        "CONVOLAKE_DATA": str(settings.data),
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(settings), env=whole, stdout=log, stderr=log, cwd=settings.data
        )
        url = f"http://127.0.0.1:{settings.dashboard_port}"
        try:
            wait_until(lambda: answers(f"{url}/_stcore/health"), 60, "the dashboard answers")
            yield Served(url, process.pid)
        finally:
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    """Whether a server answers at the URL."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (our own server)
            return bool(answer.status == 200)
    except OSError:
        return False


def visit(browser: Any, url: str, text: str) -> None:
    """Open a page in a driver, and wait until it shows `text`."""
    browser.get(url)
    wait_until(lambda: browser.execute_script(SHOWN, text), 60, f"{url} shows {text!r}")


class Browser:
    """Headless Chromium; it keeps every request that it makes, and says whether a script of a text ran."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*QUIET, f"user-data-dir={folder}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        options.set_capability("unhandledPromptBehavior", "ignore")
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.requested: list[str] = []

    def visit(self, url: str, text: str, *clicks: tuple[str, str]) -> None:
        """Open a page and wait until it shows `text`; then click each label and wait for its text."""
        self.driver.get(url)
        self._wait(url, text)
        for label, shown in clicks:
            wait_until(lambda label=label: self.run(CLICK, label), 30, f"{url} has {label!r}")  # type: ignore[misc]
            self._wait(url, shown)
        self._read_log()

    def _wait(self, url: str, text: str) -> None:
        wait_until(lambda: self.run(SHOWN, text), 60, f"{url} shows {text!r}")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script of the test."""
        return self.driver.execute_script(script, *arguments)

    def resize(self, width: int, height: int) -> None:
        """Make the window another size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def choose_theme(self, theme: str) -> None:
        """Prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse there, and give the page time to draw what it shows then."""
        self.driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y}
        )
        time.sleep(0.2)

    def script_ran(self) -> bool:
        """Whether a script of a text set its mark, or opened a dialogue."""
        try:
            return bool(self.driver.switch_to.alert.text)
        except NoAlertPresentException:
            return bool(self.run("return window.hostile !== undefined"))

    def _read_log(self) -> None:
        log: list[dict[str, str]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        for line in log:
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                self.requested.append(message["params"]["url"])

    def forget(self) -> None:
        """Leave the page, and forget the requests so far."""
        self.driver.get("about:blank")
        self._read_log()
        self.requested.clear()

    def strangers(self, site: str) -> list[str]:
        """Requests of other hosts than the dashboard's own."""
        # `chrome:` is what an empty tab of the browser loads from itself.
        own = (site, site.replace("http", "ws"), "data:", "blob:", "about:", "chrome")
        return [url for url in self.requested if not url.startswith(own)]

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()
