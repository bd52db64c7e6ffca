"""`make picture`: the README's picture, from sixty simulated days through every real part."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dashboards import serve
from ingest.settings import Settings
from tests.factories import free_port
from tests.test_end_to_end import convolake, environment, eventually, lines_until, running

PICTURE = Path(__file__).parent.parent / "docs/images/overview.png"
QUIET = (
    "headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "hide-scrollbars", "window-size=1440,1420",
)  # fmt: skip


def take(url: str, folder: Path) -> None:
    """Open `url` in headless Chromium and save what it shows once it is drawn."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (*QUIET, f"user-data-dir={folder}"):
        options.add_argument(f"--{argument}")
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.get(url)
        WebDriverWait(browser, 60).until(
            lambda page: len(page.find_elements(By.CSS_SELECTOR, "canvas, svg.marks")) >= 4
        )
        WebDriverWait(browser, 60).until(
            lambda page: not page.find_elements(By.CSS_SELECTOR, "[data-testid=stStatusWidget]")
        )
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(PICTURE))
    finally:
        browser.quit()


def main() -> None:
    """Simulate, load, show, take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data=Path(folder) / "data", port=free_port(), dashboard_port=free_port()
        )
        with running(settings, "serve") as process:
            lines_until(process, "api")
            convolake(settings, "simulate", "--days", "60")
            convolake(settings, "load")
        dashboard = subprocess.Popen(serve.command(settings), env=environment(settings))
        try:
            url = f"http://127.0.0.1:{settings.dashboard_port}"
            eventually(
                lambda: (
                    subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=False).returncode
                    == 0
                )
            )
            take(url, Path(folder) / "browser")
        finally:
            dashboard.terminate()
            dashboard.wait()


if __name__ == "__main__":
    main()
