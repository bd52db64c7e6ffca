"""Whatever the URL says, a page shows no error, repeats nothing of it as markup, and changes nothing."""

import os
import random
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.pages import PAGES
from dashboards.reviews.visit import VIEWS
from ingest.settings import Settings
from tests.api_server import Installation
from tests.conftest import SEED
from tests.dashboard_app import page_at
from tests.factories import Record, make_conversation
from tests.injections import injections
from warehouse.lake import connect

pytestmark = pytest.mark.long

STRINGS = injections(500)
RUNS = 100
"""Runs of each page in `make prove`."""
OPENING = ("conversation", "metric", "view")
"""Parameters that open one thing in place of a list."""
EVERY = (
    "from", "to", "channel", "bot_id", "bot_version", "state", "handed_off", "search", "reason", "queue",
    "agent_id", "outcome", "wait", "lasted", "rating", "sort", "active", "tests", "page", "part",
    "message", "event", "find", "unmasked", "without_notes", "agent", "share", "base", "of", "order",
    "cases", "q", "table", "x", "y", "kind", "colour", "rejected",
    "reviewer", "sample", "review", "category", "method", "groups", "by", "status",
)  # fmt: skip
Given = dict[str, str]
REVIEWER = {"reviewer": "noor"}
"""Without a valid name, the reviews page reads no other parameter."""
CASES: list[tuple[str, Given, tuple[str, ...]]] = [
    *((page.folder, {}, EVERY) for page in PAGES),
    *(
        (folder, {}, (*EVERY, *OPENING))
        for folder in ("conversations", "metrics", "desk", "reviews")
    ),
    *(("reviews", REVIEWER | {"view": view}, EVERY) for view in VIEWS),
    ("reviews", REVIEWER | {"view": "review", "sample": "s1"}, EVERY),
    ("reviews", REVIEWER | {"view": "draw", "method": "stratified"}, EVERY),
]
"""Pages, parameters that have a valid value, and those that get a string."""
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
    _review_one(audit_api)
    record = Record(audit_api.settings, audit_api.clock)
    record.seal()
    record.load()
    return audit_api


def _review_one(api: Installation) -> None:
    """Publish a scorecard, draw both conversations, and review one."""
    ratings = {"tone": 1.0}
    card = {"name": "service", "version": 1, "categories": [{"id": "tone", "title": "Tone"}]}
    sample = {
        "sample_id": "s1", "title": "Both", "scorecard": "service", "scorecard_version": 1, "sampling": "random",
        "seed": 1, "population": 2,
        "items": [{"conversation_id": each, "inclusion_probability": 1.0} for each in ("c1", "c2")],
    }  # fmt: skip
    review = {"scorecard": "service", "scorecard_version": 1, "ratings": ratings}
    for path, body in (
        ("scorecards", {"participant_id": "lead", "scorecard": card}),
        ("review-samples", {"participant_id": "lead", "sample": sample}),
        ("conversations/c1/reviews", {"participant_id": "noor", "review": review}),
    ):
        answer = api.post(f"/v1/{path}", body)
        assert answer.status_code == 201, answer.text


@pytest.fixture
def open_page(loaded: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AppTest]:
    for name, value in loaded.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONVOLAKE_DATA", str(loaded.settings.data))
    st.cache_data.clear()

    def run(folder: str) -> AppTest:
        return page_at(folder)

    return run


def state_of(settings: Settings) -> tuple[object, ...]:
    """The newest snapshot of the warehouse, and every file of the data folder but the log."""
    with connect(settings.warehouse_path) as con:
        newest = con.execute("from ducklake_current_snapshot('lake')").fetchall()
    folders = (settings.warehouse_path, settings.lake_path)
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return newest, [path for path in files if not path.name.endswith(("-wal", "-shm"))]


def mixtures(names: tuple[str, ...], offset: int) -> list[Given]:
    """What the parameters of each run are: a different string in each of them.

    In `make prove`, RUNS runs: every string is in several parameters, and every parameter gets RUNS strings. Other
    pages have another `offset`, so that they get other pairs. Else some of these runs, by the seed: each costs time.
    """
    step = len(STRINGS) // RUNS
    found = [
        {
            name: STRINGS[(step * run + 11 * place + offset) % len(STRINGS)]
            for place, name in enumerate(names)
        }
        for run in range(RUNS)
    ]
    if os.environ.get("PROVE"):
        return found
    return random.Random(os.environ[SEED]).sample(found, 4)  # noqa: S311


def test_there_are_500_different_strings() -> None:
    assert len(set(STRINGS)) == 500


def test_every_string_is_on_every_page_of_the_whole_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVE", "yes")
    for number, (_, _, names) in enumerate(CASES):
        runs = mixtures(names, number)
        assert len(runs) == RUNS
        assert {string for run in runs for string in run.values()} == set(STRINGS)
        assert all(len({run[name] for run in runs}) == RUNS for name in names)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("page", "given", "names", "offset"),
    [(*case, number) for number, case in enumerate(CASES)],
    ids=["-".join([page, *given.values(), f"{len(names)}"]) for page, given, names in CASES],
)
def test_no_string_in_a_parameter_has_an_effect(
    loaded: Installation,
    open_page: Callable[[str], AppTest],
    page: str,
    given: Given,
    names: tuple[str, ...],
    offset: int,
) -> None:
    before = state_of(loaded.settings)
    app = open_page(page)
    for strings in mixtures(names, offset):
        app.query_params.clear()
        for name, value in (strings | given).items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, (strings, app.exception)
        shown = [str(getattr(each, "value", "")) for kind in MARKUP for each in app.get(kind)]
        assert not [text for text in shown if "cannot be recorded" in text], strings
        for name in strings.keys() - given.keys():
            if len(strings[name]) > 3 and not strings[name].isalnum():  # such as a plain “today”
                assert not [text for text in shown if strings[name] in text], strings[name]
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
