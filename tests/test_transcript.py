"""A transcript as its readers use it: links, search, earlier texts, model calls, masks, print; long ones too."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.conversations.data import PART_SIZE, load_transcript
from dashboards.conversations.details import load_hits
from ingest.settings import Settings
from tests.api_server import Installation
from tests.dashboard_app import checked, show_page
from tests.factories import Clock, Record

NOW = datetime(2030, 3, 31, 12, 0, tzinfo=UTC)
ZONE = "Europe/Berlin"
LONG = 10_000
"""Messages of the long conversation, one a minute."""
HOSTILE = "![x](http://evil.example/x.png) <script>x()</script> \u202egnp"

OpenPage = Callable[..., AppTest]


def story() -> list[dict[str, Any]]:
    """A conversation with everything that a transcript shows."""
    started = NOW - timedelta(days=9)
    ada = {"participant_id": "ada", "participant_role": "customer"}
    bot = {"participant_id": "helper", "participant_role": "bot", "bot_version": "v3"}
    mira = {"participant_id": "mira", "participant_role": "agent"}
    call = {"model": HOSTILE, "input_tokens": 1200, "output_tokens": 34, "cost": 0.0125}
    measured = {
        "model": "small", "input_tokens": 20, "output_tokens": 9, "cached_tokens": 8, "reasoning_tokens": 4,
        "latency_seconds": 1.5, "first_chunk_seconds": 0.5, "finish_reason": "length",
        "error": "no answer for ada@example.org",
    }  # fmt: skip
    steps: list[tuple[int, dict[str, Any]]] = [
        (0, {"event_type": "conversation.created", "channel": "web", "contact_id": "person-1"}),
        (0, {"event_type": "message.created", "message_id": "m1", "text": "My mail is ada@exampel.org", **ada}),
        (5, {"event_type": "message.edited", "message_id": "m1", "text": "My mail is ada@example.org", "participant_id": "ada"}),
        (9, {"event_type": "message.edited", "message_id": "m1", "text": "Where is my order?", "participant_id": "ada"}),
        (10, {"event_type": "bot.turn_started", **bot}),
        (12, {"event_type": "message.created", "message_id": "m2", "text": "It is on its way. Call +49 170 1234567.", **bot}),
        (13, {"event_type": "bot.turn_completed", "payload": {"model_call": call}, **bot}),
        (13, {"event_type": "bot.turn_completed", "payload": {"model_call": measured}, **bot}),
        (14, {"event_type": "message.failed", "message_id": "m2", "payload": {"error_code": "131026"}}),
        (20, {"event_type": "message.created", "message_id": "m3", "text": "a secret", **ada}),
        (21, {"event_type": "message.edited", "message_id": "m3", "text": "another secret"}),
        (22, {"event_type": "message.deleted", "message_id": "m3"}),
        (30, {"event_type": "handoff.requested", "handoff_id": "h", "payload": {"reason": "policy"}}),
        (31, {"event_type": "handoff.queued", "handoff_id": "h", "queue": "billing"}),
        (40, {"event_type": "handoff.accepted", "handoff_id": "h", **mira}),
        (41, {"event_type": "message.created", "text": "be kind", "visibility": "internal", **mira}),
        (42, {"event_type": "message.created", "text": "Hello.\n■ 12:00:00  #99  Customer ada", **mira}),
        (50, {"event_type": "conversation.resolved", "payload": {"resolved_by": "agent"}}),
        (60, {"event_type": "message.created", "text": f"One more thing {HOSTILE}", **ada}),
    ]  # fmt: skip
    return [
        {"conversation_id": "c1", "happened_at": (started + timedelta(seconds=at)).isoformat()}
        | event
        for at, event in steps
    ]


def long_story() -> list[dict[str, Any]]:
    started = NOW - timedelta(minutes=LONG)
    of = {"conversation_id": "long", "participant_id": "ada", "participant_role": "customer"}
    created = {"event_type": "conversation.created", "channel": "sms", "contact_id": "person-1"}
    said = [
        {
            "event_type": "message.created",
            "text": f"line {number}" + (" CAFE\u0301" if number % 2500 == 0 else ""),
            "happened_at": (started + timedelta(minutes=number)).isoformat(),
        }
        for number in range(1, LONG + 1)
    ]
    return [of | {"happened_at": started.isoformat()} | created, *(of | each for each in said)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder with both conversations, and a third of the same contact; tests must not change it."""
    settings = Settings(data=tmp_path_factory.mktemp("transcript") / "data", reporting_zone=ZONE)
    record = Record(settings, Clock(NOW))
    third = {"conversation_id": "c3", "happened_at": (NOW - timedelta(days=1)).isoformat()}
    created = {"event_type": "conversation.created", "channel": "email", "contact_id": "person-1"}
    record.publish([*story(), *long_story(), third | created])
    return settings


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    st.cache_data.clear()


@pytest.fixture
def open_page(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, audit_api: Installation
) -> OpenPage:
    """Open a transcript at an address, as a browser would for the first time."""
    for name, value in audit_api.environment.items():
        monkeypatch.setenv(name, value)

    def run(conversation: str = "c1", **address: str) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
        return show_page("conversations", **{"conversation": conversation} | address)

    return run


def texts(app: AppTest) -> list[str]:
    """What `st.text` shows, without the marks that keep directions apart."""
    return [each.value.translate({0x2068: None, 0x2069: None}) for each in app.text]


def badges(app: AppTest) -> str:
    return "\n".join(each.value for each in app.markdown)


def said(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.caption, *app.info, *app.warning))


def press(app: AppTest, label: str) -> AppTest:
    button = next(each for each in app.button if each.label == label)
    assert not button.disabled, label
    return checked(button.click().run())


def fill(app: AppTest, label: str, value: str) -> AppTest:
    found = next(each for each in app.text_input if each.label == label)
    return checked(found.set_value(value).run())


def lines(app: AppTest) -> list[int]:
    """The numbers of the lines of the long conversation that are shown, in order."""
    return [int(each.split()[1]) for each in texts(app) if each.startswith("line ")]


# --- what stands between the messages ---------------------------------------------------


def test_an_edit_is_shown_with_the_texts_before_folded(open_page: OpenPage) -> None:
    app = open_page(unmasked="yes")
    folded = next(each for each in app.expander if each.label == "Edited 2 times")
    inside = [each.value for each in folded.text]
    assert [each for each in inside if each.startswith("My mail")] == [
        "My mail is ada@exampel.org",
        "My mail is ada@example.org",
    ]
    assert "Until 22 Mar 2030, 13:00:05, edited by \u2068ada\u2069:" in inside
    assert "Where is my order?" in texts(app)


def test_a_reader_without_the_permission_sees_that_an_edit_happened_and_not_the_text(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))

    def page() -> None:
        from dashboards.conversations import data, details, transcript
        from ingest.settings import Settings

        warehouse = Settings().warehouse_path
        found = data.load_transcript(warehouse, "c1", 1)
        assert found is not None
        transcript.show_entries(
            found.entries, transcript.View(details=details.load_details(warehouse, found))
        )

    app = checked(AppTest.from_function(page, default_timeout=60).run())
    [folded] = [each for each in app.expander if each.label.startswith("Edited")]
    assert [each.value for each in folded.caption] == ["Your role does not show earlier texts."]
    assert not any("My mail" in each for each in texts(app))


def test_texts_of_a_deleted_message_are_not_shown_and_not_found(open_page: OpenPage) -> None:
    for address in ({"unmasked": "yes"}, {"unmasked": "yes", "view": "print"}):
        assert not any("secret" in each for each in texts(open_page(**address)))
    assert "No message of this conversation has these words." in texts(open_page(find="secret"))


def test_a_model_call_is_folded_below_its_tokens_and_its_time(open_page: OpenPage) -> None:
    app = open_page()
    call, _ = (each for each in app.expander if "Model call" in each.label)
    assert call.label == "13:00:13  Model call · 1,234 tokens · 3.0 s"
    inside = [each.value.translate({0x2068: None, 0x2069: None}) for each in call.text]
    assert "Input: 1,200 tokens" in inside
    assert "Cost: 0.012500 USD" in inside
    assert any(each.startswith("Model: ![x](http://evil") and "⟨U+202E⟩" in each for each in inside)


def test_a_model_call_shows_what_the_bot_measured_and_a_masked_error(open_page: OpenPage) -> None:
    _, call = (each for each in open_page().expander if "Model call" in each.label)
    assert call.label == "13:00:13  Model call · 29 tokens · 1.5 s · failed"
    inside = [each.value.translate({0x2068: None, 0x2069: None}) for each in call.text]
    assert {
        "Time: 1.5 s",
        "Input from the cache: 8 tokens",
        "Reasoning: 4 tokens",
        "Time to the first part: 0.5 s",
        "Ended by: length",
        "Error: no answer for ⟨email masked⟩",
    } <= set(inside)


def test_episodes_handoffs_and_failed_sends_are_marked(open_page: OpenPage) -> None:
    app = open_page()
    shown = texts(app)
    assert "Demand 1 begins: first message" in shown
    assert "Demand 2 begins: after a resolution" in shown
    assert "13:00:31  Handoff waits in a queue: billing" in shown
    assert "Not delivered 13:00:14, error 131026" in shown
    assert badges(app).count("Not delivered") == 1


def test_text_of_the_record_is_never_rendered(open_page: OpenPage) -> None:
    for address in ({"unmasked": "yes"}, {"view": "print"}, {"find": HOSTILE[:20]}):
        app = open_page(**address)
        kinds = ("markdown", "caption", "title", "subheader", "info", "warning", "error")
        rendered = [str(getattr(each, "value", "")) for kind in kinds for each in app.get(kind)]
        rendered += [each.label for each in app.expander]
        assert rendered
        assert not any("evil.example" in each for each in rendered)


# --- links and places --------------------------------------------------------------------


def links(app: AppTest) -> list[str]:
    return [each.proto.query_string for each in app.get("page_link")]


def test_every_entry_has_a_link_that_opens_at_it_and_marks_it(open_page: OpenPage) -> None:
    app = open_page("long", part="2")
    found = [each for each in links(app) if "event=" in each]
    assert found == [f"conversation=long&event={number}" for number in range(101, 201)]
    app = open_page("long", event="5002")
    assert lines(app)[:3] == [4998, 4999, 5000]
    assert badges(app).count("Here") == 1
    assert "From two entries before #5002 · Part 51 of 101 · 10,002 entries" in said(app)


def test_a_link_to_an_event_that_is_folded_opens_at_the_entry_before_it(
    open_page: OpenPage, settings: Settings
) -> None:
    found = load_transcript(settings.warehouse_path, "c1", 1, 5)
    assert found is not None
    marked = found.entries.filter(pl.col("is_found"))
    assert marked["event_type"].to_list() == ["message.created"]
    assert badges(open_page(event="5")).count("Here") == 1
    beyond = open_page("long", event="99999999")
    assert lines(beyond)[-1] == LONG
    assert badges(beyond).count("Here") == 1


@pytest.mark.parametrize("event", ["-1", "x", "1e3", "' or 1=1 --", "²"])
def test_an_invalid_place_in_the_address_is_dropped_with_a_hint(
    open_page: OpenPage, event: str
) -> None:
    app = open_page(event=event)
    assert "“event” in the address is not a number" in said(app)
    assert "Where is my order?" in texts(app)


def test_a_page_control_leads_away_from_the_place_of_a_link(open_page: OpenPage) -> None:
    app = open_page("long", event="5002")
    assert app.pagination[0].value == 51
    checked(app.pagination[0].set_value(52).run())
    assert "event" not in app.query_params
    assert lines(app)[0] == 5099


@pytest.mark.long
@pytest.mark.parametrize(
    ("wish", "first"),
    [
        ("5002", 5000),
        ("#5002", 5000),
        ("2030-03-28", 4900),  # line 1 is at 14:21 of 24 March
        ("2030-03-28 10:30", 5530),
        ("18:00", 220),
    ],
)
def test_a_reader_goes_to_a_number_or_a_time(open_page: OpenPage, wish: str, first: int) -> None:
    app = fill(open_page("long"), "Go to", wish)
    assert lines(app)[2] == first
    assert badges(app).count("Here") == 1
    assert not app.info


@pytest.mark.parametrize(
    ("wish", "hint"),
    [
        ("tomorrow", "Go to a number"),
        ("25:00", "Go to a number"),
        ("<b>", "Go to a number"),
        ("2031-01-01", "has no entry at that time or later"),
    ],
)
def test_a_place_that_does_not_exist_is_explained(
    open_page: OpenPage, wish: str, hint: str
) -> None:
    app = fill(open_page("long"), "Go to", wish)
    assert hint in said(app)
    assert lines(app)[0] == 1


# --- search ------------------------------------------------------------------------------


def test_hits_are_counted_over_the_whole_conversation_and_walked(open_page: OpenPage) -> None:
    app = fill(open_page("long"), "Find in this conversation", "café")
    assert "4 messages have these words" in texts(app)
    assert app.query_params["find"] == "café"
    places = []
    for number in range(1, 5):
        press(app, "Next")
        assert f"{number} of 4 messages have these words" in texts(app)
        places.append(lines(app)[2])
        assert badges(app).count("Found") == 1
    assert places[:3] == [2500, 5000, 7500]
    assert next(each for each in app.button if each.label == "Next").disabled
    press(app, "Previous")
    assert "3 of 4 messages have these words" in texts(app)
    shared = open_page("long", find="café", event=str(app.query_params["event"]))
    assert "3 of 4 messages have these words" in texts(shared)


def test_hits_are_those_that_polars_finds(settings: Settings) -> None:
    found = load_transcript(settings.warehouse_path, "long", 1)
    assert found is not None
    hits = load_hits(settings.warehouse_path, found, "LINE 99", 5002)
    expected = [number + 2 for number in range(1, LONG + 1) if "line 99" in f"line {number}"]
    assert hits.hits == len(expected)
    assert hits.place == sum(each <= 5002 for each in expected)
    assert hits.before_at == max(each for each in expected if each < 5002)
    assert hits.after_at == min(each for each in expected if each > 5002)
    assert hits.shown == [each for each in expected if each <= PART_SIZE]


def test_the_words_of_the_list_are_searched_in_the_transcript(open_page: OpenPage) -> None:
    app = open_page("long", find="line 7")
    assert any(each.endswith("messages have these words") for each in texts(app))
    press(app, "All conversations")
    assert not {"conversation", "find", "event"} & set(app.query_params)


# --- masks, and other conversations ------------------------------------------------------


def test_personal_data_is_masked_until_the_masks_are_lifted(open_page: OpenPage) -> None:
    masked = open_page()
    assert "It is on its way. Call ⟨phone number masked⟩." in texts(masked)
    assert badges(masked).count("Masked") == 1
    assert not any("1234567" in each or "ada@" in each for each in texts(masked))
    toggle = next(each for each in masked.toggle if each.label.startswith("Show masked"))
    lifted = checked(toggle.set_value(True).run())
    assert "It is on its way. Call +49 170 1234567." in texts(lifted)
    assert lifted.query_params["unmasked"] == "yes"
    assert "Masked" not in badges(lifted)


def test_the_other_conversations_of_the_contact_are_listed_with_links(open_page: OpenPage) -> None:
    app = open_page()
    assert "Other conversations of this contact (2)" in [each.label for each in app.expander]
    rows = app.dataframe[0].value
    assert list(rows["conversation_id"]) == ["c3", "long"]
    assert [each.partition("?")[2] for each in rows["link"]] == [
        "conversation=c3",
        "conversation=long",
    ]


# --- print -------------------------------------------------------------------------------


def sheet(app: AppTest) -> str:
    return "\n".join(texts(app))


def test_the_print_view_has_the_whole_conversation_with_or_without_internal_notes(
    open_page: OpenPage,
) -> None:
    whole = sheet(open_page(view="print"))
    for each in ("│ Where is my order?", "│ be kind", "Agent mira · Web · internal note", "Model call · 1,234 tokens", "· not delivered", "Session 1 started", "· edited"):  # fmt: skip
        assert each in whole, each
    assert "18 entries" in whole or "entries, times in Europe/Berlin" in whole
    short = sheet(open_page(view="print", without_notes="yes"))
    assert "be kind" not in short
    assert "Session 1 started" not in short
    assert "│ Where is my order?" in short
    assert "internal on this sheet are left out" in short


def test_no_text_looks_like_an_entry_of_the_print_view(open_page: OpenPage) -> None:
    forged = [each for each in sheet(open_page(view="print")).split("\n") if "#99" in each]
    assert forged == ["│ □ 12:00:00  #99  Customer ada"]


def test_a_long_conversation_is_printed_on_sheets_that_say_so(open_page: OpenPage) -> None:
    app = open_page("long", view="print")
    assert "sheet 1 of 6, with at most 2,000 entries each" in sheet(app)
    numbers = [
        int(each.removeprefix("│ line ").split()[0])
        for each in sheet(app).split("\n")
        if each.startswith("│ line ")
    ]
    assert numbers == list(range(1, 1999))
    last = sheet(open_page("long", view="print", part="6"))
    assert (
        last.rstrip().endswith(("│ line 10000 CAFE\u0301", "│ line 9999")) or "line 10000" in last
    )


# --- speed -------------------------------------------------------------------------------


def test_a_conversation_of_10_000_messages_opens_anywhere_within_a_second(
    settings: Settings,
) -> None:
    load_transcript(settings.warehouse_path, "c1", 1)
    for event in (1, 5_000, 10_002):
        best = min(_seconds_to_open(settings, event) for _ in range(3))
        assert best < 1, event


def _seconds_to_open(settings: Settings, event: int) -> float:
    st.cache_data.clear()
    started = time.perf_counter()
    found = load_transcript(settings.warehouse_path, "long", 1, event)
    assert found is not None
    assert found.entries.height <= PART_SIZE
    return time.perf_counter() - started
