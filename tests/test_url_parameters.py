"""Whatever the URL says, a page shows no error, repeats nothing of it as markup, and changes nothing."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.pages import PAGES
from ingest.settings import Settings
from tests.api_server import Installation
from tests.conftest import SEED
from tests.factories import Record, make_conversation
from tests.injections import injections
from warehouse.lake import connect

APP = Path(__file__).parent.parent / "dashboards" / "app.py"
STRINGS = injections(500)
OPENING = ("conversation", "metric", "view")
"""Parameters that open one thing in place of a list."""
EVERY = (
    "from", "to", "channel", "bot_version", "state", "handed_off", "search", "reason", "queue",
    "agent_id", "outcome", "wait", "lasted", "rating", "sort", "active", "tests", "page", "part",
    "message", "event", "find", "unmasked", "without_notes", "agent", "share", "base", "of", "order",
    "cases", "q", "table", "x", "y", "kind", "colour", "rejected",
)  # fmt: skip
CASES = [
    *((page.folder, EVERY) for page in PAGES),
    *((folder, (*EVERY, *OPENING)) for folder in ("conversations", "metrics", "desk")),
]
MARKUP = (
    "markdown",
    "caption",
    "title",
    "header",
    "subheader",
    "info",
    "warning",
    "error",
    "success",
)


@pytest.fixture(scope="module")
def loaded(audit_api: Installation) -> Installation:
    audit_api.post_events([*make_conversation("c1"), *make_conversation("c2", messages=3)])
    record = Record(audit_api.settings, audit_api.clock)
    record.seal()
    record.load()
    return audit_api


@pytest.fixture
def open_page(loaded: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AppTest]:
    for name, value in loaded.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONVOLAKE_DATA", str(loaded.settings.data))
    st.cache_data.clear()

    def run(folder: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60).run()
        return app.switch_page(f"{folder}/page.py")

    return run


def state_of(settings: Settings) -> tuple[object, ...]:
    """The newest snapshot of the warehouse, and every file of the data folder but the log."""
    with connect(settings.warehouse_path) as con:
        newest = con.execute("from ducklake_current_snapshot('lake')").fetchall()
    folders = (settings.warehouse_path, settings.lake_path)
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return newest, [path for path in files if not path.name.endswith(("-wal", "-shm"))]


def chosen() -> list[str]:
    """All strings in `make prove`, else some by the seed of this run: each is a run of the page."""
    if os.environ.get("PROVE"):
        return STRINGS
    return random.Random(os.environ[SEED]).sample(STRINGS, 8)  # noqa: S311


def test_there_are_500_different_strings() -> None:
    assert len(set(STRINGS)) == 500


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("page", "names"), CASES, ids=[f"{page}-{len(names)}" for page, names in CASES]
)
def test_no_string_in_a_parameter_has_an_effect(
    loaded: Installation, open_page: Callable[[str], AppTest], page: str, names: tuple[str, ...]
) -> None:
    before = state_of(loaded.settings)
    app = open_page(page)
    for string in chosen():
        app.query_params.clear()
        for name in names:
            app.query_params[name] = string
        app.run()
        assert not app.exception, (string, app.exception)
        shown = [str(getattr(each, "value", "")) for kind in MARKUP for each in app.get(kind)]
        assert not [text for text in shown if "cannot be recorded" in text], string
        if len(string) > 3:
            assert not [text for text in shown if string in text], string
    assert state_of(loaded.settings) == before


@pytest.mark.parametrize("names", [("from", "to", "channel"), ("metric",)])
def test_a_valid_parameter_has_its_effect(
    open_page: Callable[[str], AppTest], names: tuple[str, ...]
) -> None:
    """The control: what is put into the URL here does reach the page."""
    app = open_page("metrics")
    for name in names:
        app.query_params[name] = {"channel": "web", "metric": "csat"}.get(name, "2030-01-01")
    app.run()
    assert not app.warning
    if "metric" in names:
        assert app.subheader[0].value == "Customer satisfaction"
    else:
        assert not app.info
        assert app.query_params["channel"] in ("web", ["web"])
