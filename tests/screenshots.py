"""`make screenshots`: every page of a demo record, light and dark, 1440 and 400 px wide, into `build/screenshots`."""

import base64
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from convolake.simulate import history
from dashboards.pages import PAGES
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.api_server import run_server
from tests.factories import Clock, Record
from tests.served_dashboard import ROOT, Browser, serve

TARGET = ROOT / "build" / "screenshots"
DAYS, A_DAY = 30, 6
WIDTHS = (1440, 400)
THEMES = ("light", "dark")
MAX_HEIGHT = 5000
HEIGHT = "return document.querySelector('[data-testid=stMain]').scrollHeight"
QUERY = """select happened_on, participant_role, count(*) as messages
from messages
group by all
order by all"""

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
        ("ask_sql_result", sql, "Run", (("Run", "rows in"),)),
        ("ask_sql_chart", sql, "Run", (("Run", "rows in"), ("Chart", "Across"))),
    ]


def take(browser: Browser, url: str, view: View, theme: str, width: int) -> Path:
    """Save the whole page as a picture, and return its path."""
    name, address, shown, clicks = view
    browser.choose_theme(theme)
    browser.resize(width, 1200)
    browser.visit(f"{url}/{address}", shown, *clicks)
    browser.resize(width, min(MAX_HEIGHT, max(800, int(browser.run(HEIGHT)))))
    browser.point_at(2, 2)
    picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path = TARGET / f"{name}-{width}-{theme}.png"
    path.write_bytes(base64.b64decode(picture["data"]))
    return path


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
