"""The page for SQL: what is run is recorded before, shown whole or said to be cut, and never rendered as markup."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.ask_sql import charts, editor
from dashboards.ask_sql.result import CANNOT_RUN, KINDS
from dashboards.downloads import write
from dashboards.formatting import reveal_frame
from ingest.settings import Settings
from tests.api_server import Installation
from tests.dashboard_app import show_page
from tests.factories import Clock, Ids, Record, make_conversation
from warehouse.export_format import Format
from warehouse.lake import connect

ROOT = Path(__file__).parent.parent
HOSTILE = "![x](http://127.0.0.1:9/i.png)<script>\u202e"

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two conversations, loaded into the warehouse; tests work on copies."""
    record = Record(Settings(data=tmp_path_factory.mktemp("loaded") / "data"), Clock())
    record.new_id = Ids("loaded")
    record.publish([*make_conversation("c1"), *make_conversation("c2", messages=3)])
    return record.settings.data


@pytest.fixture
def settings(loaded: Path, tmp_path: Path) -> Settings:
    """A data folder of the test's own, with the two conversations."""
    shutil.copytree(loaded, tmp_path / "data")
    return Settings(data=tmp_path / "data")


@pytest.fixture
def open_page(
    monkeypatch: pytest.MonkeyPatch, installation: Installation
) -> Callable[..., AppTest]:
    """Open the page at an address, over an API and a warehouse with two conversations."""
    monkeypatch.setenv("CONVOLAKE_DATA", str(installation.settings.data))
    monkeypatch.setenv("CONVOLAKE_API_URL", installation.url)
    monkeypatch.setenv("CONVOLAKE_API_KEY", installation.key)
    st.cache_data.clear()

    def run(**address: str) -> AppTest:
        return show_page("ask_sql", **address)

    return run


def ask(app: AppTest, query: str) -> AppTest:
    """Write a query and run it."""
    app.text_area[0].set_value(query)
    next(each for each in app.button if each.label == "Run").click()
    app.run()
    assert not app.exception, app.exception
    return app


def recorded(installation: Installation) -> list[str]:
    """The queries on record."""
    rows = Record(installation.settings, installation.clock).log(
        "select payload from events where event_type = 'warehouse.queried' order by position"
    )
    return [json.loads(row["payload"])["sql"] for row in rows]


def captions(app: AppTest) -> str:
    return "\n".join(each.value for each in app.caption)


QUERY = "select conversation_id, count(*) as messages from messages group by all order by all"


def test_a_query_is_recorded_answered_and_in_the_url(
    open_page: Open, installation: Installation
) -> None:
    app = ask(open_page(), QUERY)
    assert app.dataframe[-1].value.to_dict("list") == {
        "conversation_id": ["c1", "c2"],
        "messages": [2, 3],
    }
    assert app.query_params["q"] == QUERY
    assert "2 rows in" in captions(app)
    assert recorded(installation) == [QUERY]
    app.run()  # another run of the page is no other query
    assert recorded(installation) == [QUERY]
    assert len(app.dataframe[-1].value) == 2


def test_a_link_fills_the_editor_and_runs_nothing(
    open_page: Open, installation: Installation
) -> None:
    app = open_page(q="select 1 as one")
    assert app.text_area[0].value == "select 1 as one"
    assert "Read it, then run it" in app.info[0].value
    assert recorded(installation) == []
    next(each for each in app.button if each.label == "Run").click()
    app.run()
    assert app.dataframe[-1].value.to_dict("list") == {"one": [1]}
    assert recorded(installation) == ["select 1 as one"]


def test_a_query_that_cannot_be_recorded_is_not_run(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page()
    monkeypatch.setenv("CONVOLAKE_API_KEY", "unknown")
    ask(app, QUERY)
    assert "it cannot be recorded" in app.error[0].value
    assert "rows in" not in captions(app)
    assert "sql outcome" not in app.session_state


def test_an_attack_is_recorded_too_and_answered_with_a_plain_message(
    open_page: Open, installation: Installation
) -> None:
    attack = "copy (select 1) to 'out.csv'"
    app = ask(open_page(), attack)
    assert app.error[0].value == CANNOT_RUN
    assert app.code[0].value == "Give one SELECT, the warehouse is read-only here; got: COPY."
    assert recorded(installation) == [attack]


def test_an_error_shows_the_place_and_a_suggestion(open_page: Open) -> None:
    app = ask(open_page(), f"select channe, '{HOSTILE}' as x\nfrom conversations")
    assert app.error[0].value == CANNOT_RUN
    assert app.code[0].value.startswith("DuckDB cannot run this query.\n\n")
    assert 'Candidate bindings: "channel"' in app.code[0].value
    assert "LINE 1" in app.code[0].value
    assert "\u202e" not in app.code[0].value


def test_a_result_that_is_cut_says_so_and_an_empty_one_too(open_page: Open) -> None:
    app = ask(open_page(), "from range(20000)")
    assert "The first 10,000 rows; the query has more" in captions(app)
    assert len(app.dataframe[-1].value) == 10_000
    ask(app, "select 1 where false")
    assert "no row matches" in app.info[0].value
    ask(app, "explain select 1")
    assert "PROJECTION" in app.code[0].value


def test_the_schema_has_every_column_with_its_meaning(
    open_page: Open, installation: Installation
) -> None:
    app = open_page()
    with connect(installation.settings.warehouse_path) as con:
        tables = con.execute("select count(distinct table_name) from columns").fetchall()[0][0]
        described = con.execute(
            "select column_name, description from columns where table_name = 'episodes' order by position"
        ).fetchall()
    listed = app.dataframe[0].value
    assert listed["one_row"].notna().sum() == tables
    app = open_page(table="episodes")
    columns = app.dataframe[0].value
    assert list(zip(columns["column_name"], columns["description"], strict=True)) == described
    next(each for each in app.button if each.label == "Write a query of it").click().run()
    assert str(app.text_area[0].value).endswith("from episodes\nlimit 100")
    app = ask(app, str(app.text_area[0].value))
    assert list(app.dataframe[-1].value.columns) == [name for name, _ in described]


def test_a_worked_query_is_put_into_the_editor(open_page: Open) -> None:
    app = open_page()
    title = next(iter(editor.examples()))
    app.selectbox[0].select(title).run()
    assert app.text_area[0].value == editor.examples()[title]
    app = ask(app, str(app.text_area[0].value))
    assert "rows in" in captions(app)


def test_the_worked_queries_are_those_of_the_documentation() -> None:
    page = (ROOT / "docs/queries.md").read_text()
    titled = re.findall(r"## \d+\. (.+?)\n(?:.(?!## ))*?```sql\n(.+?)\n```", page, re.DOTALL)
    documented = {title: query for title, query in titled if "at (timestamp" not in query}
    assert documented == editor.examples()
    assert len(documented) >= 10


@pytest.mark.parametrize("kind", ["bar", *KINDS])
def test_a_name_of_a_result_is_only_a_title_of_its_chart(kind: str) -> None:
    frame = pl.DataFrame({"image": [HOSTILE, "b"], "title": [1, 2], "a.b[0]": [HOSTILE, "d"]})
    spec: dict[str, Any] = charts.draw(
        reveal_frame(frame), charts.Axes("image", "title", "a.b[0]"), kind
    ).to_dict()
    fields = [each["field"] for each in spec["encoding"]["tooltip"]]
    assert fields == ["across", "up", "colour"]
    titles = {each["title"] for each in spec["encoding"]["tooltip"]}
    assert titles == {"\u2068image\u2069", "\u2068title\u2069", "\u2068a.b[0]\u2069"}
    assert "\u202e" not in json.dumps(spec, ensure_ascii=False)


def test_a_chart_takes_days_decimals_and_texts(open_page: Open) -> None:
    app = ask(
        open_page(x="on", y="amount", kind="line", colour="channel"),
        "select date '2030-01-01' + i::int as on, i * 1.5 as amount, 'web' as channel from range(5) t(i)",
    )
    (chart,) = app.get("arrow_vega_lite_chart") or app.get("vega_lite_chart")
    spec = json.loads(chart.proto.spec)
    assert spec["mark"]["type"] == "line"
    assert spec["encoding"]["x"]["scale"] == {"type": "utc"}
    assert not app.info


def test_names_stay_distinct_when_they_are_revealed() -> None:
    frame = pl.DataFrame({"a\u200b": [1], "a⟨U+200B⟩": ["x\u202e"]})
    shown = reveal_frame(frame)
    assert shown.columns == ["a⟨U+200B⟩ (1)", "a⟨U+200B⟩ (2)"]
    assert shown.row(0) == (1, "x⟨U+202E⟩")


def test_neither_a_cell_nor_a_name_of_a_csv_file_is_a_formula() -> None:
    frame = pl.DataFrame({"=1+1": ["@SUM(1)", "plain"], "n": [-1, 2]})
    assert write(frame, Format.csv).decode() == "'=1+1,n\n'@SUM(1),-1\nplain,2\n"
