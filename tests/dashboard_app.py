"""The dashboard in this process, and what a page of it shows."""

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboards.pages import PAGES

APP = Path(__file__).parent.parent / "dashboards" / "app.py"


def page_at(folder: str, **address: str | list[str]) -> AppTest:
    """The dashboard on a page at an address, before it runs.

    A browser that opens an address runs this page alone. `AppTest.switch_page` would run the start page before.
    """
    app = AppTest.from_file(str(APP), default_timeout=120)
    if folder != PAGES[0].folder:
        app._page_hash = calc_hash(folder)
    for key, value in address.items():
        app.query_params[key.rstrip("_")] = value
    return app


def show_page(folder: str, **address: str | list[str]) -> AppTest:
    """Open a page at an address, as a browser would for the first time."""
    return checked(page_at(folder, **address).run())


def checked(app: AppTest) -> AppTest:
    """The dashboard, whose run raised nothing."""
    assert not app.exception, app.exception
    return app


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    return {each.label: (each.value, each.delta) for each in app.metric}


def messages_of(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.info, *app.warning, *app.error))


def texts(app: AppTest) -> list[str]:
    """What `st.text` shows, without the marks that keep directions apart."""
    return [re.sub("[\u2068\u2069]", "", each.value) for each in app.text]
