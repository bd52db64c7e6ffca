"""The handoffs page: its zone, its clocks, and the conversations behind a queue."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.filter_state import Period, Scope
from dashboards.handoffs.charts import STEPS
from dashboards.handoffs.data import IN_BUSINESS_HOURS, behind, in_steps, load_handoffs
from ingest.settings import Settings
from tests.dashboard_pages.data_folder import settings_of, small
from tests.dashboard_pages.stories import NOW
from tests.factories import Clock, Record, make_event
from tests.independent_metrics import OPEN

DAY = date(2030, 3, 30)
"""A Saturday. The conversations begin before it; all handoffs but that of c3 are requested on it."""


def requested(conversation_id: str, queue: str | None, day: date = DAY) -> list[dict[str, object]]:
    return [
        small(conversation_id) | {"happened_at": "2030-03-20T12:00:00Z"},
        make_event(
            "handoff.requested",
            conversation_id=conversation_id,
            handoff_id=f"{conversation_id}-h1",
            happened_at=f"{day}T12:00:00Z",
            queue=queue,
        ),
    ]


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Handoffs of two queues and of none, with business hours."""
    folder = tmp_path_factory.mktemp("queues")
    hours = folder / "business_hours.toml"
    hours.write_text(OPEN)
    settings = settings_of(folder / "data").model_copy(update={"business_hours": hours})
    Record(settings, Clock(NOW)).publish(
        [
            *requested("c1", "orders"),
            *requested("c2", "billing"),
            *requested("c3", "orders", date(2030, 3, 21)),
            *requested("c4", None),
        ]
    )
    return settings


def test_the_page_names_its_zone_and_where_waits_are_in_business_hours(
    open_page: Callable[..., AppTest], queues: Settings
) -> None:
    said = [each.value for each in open_page(queues, "handoffs").caption]
    assert "Handoffs by day of the week and hour (Europe/Berlin)" in said
    assert any(
        "the page Metrics has them in business hours (Europe/Berlin)" in each for each in said
    )


def test_a_queue_opens_the_conversations_with_a_handoff_to_it_also_older_ones(
    open_page: Callable[..., AppTest], queues: Settings
) -> None:
    address = behind("queues", "orders", Period(DAY, DAY))
    assert address is not None
    app = open_page(queues, "conversations", **address)
    (listed,) = [each.value for each in app.dataframe if "conversation_id" in each.value.columns]
    assert listed["conversation_id"].to_list() == ["c1"]


def test_handoffs_without_a_queue_are_a_row_that_opens_nothing(
    open_page: Callable[..., AppTest], queues: Settings
) -> None:
    app = open_page(queues, "handoffs")
    names = [name for table in app.dataframe for name in table.value["name"]]
    assert [name.strip("\u2068\u2069") for name in names] == [
        "unknown",
        "orders",
        "billing",
        "none",
    ]
    assert behind("queues", None, Period(DAY, DAY)) is None


FRIDAY, MONDAY = date(2026, 3, 20), date(2026, 3, 23)


def test_a_wait_over_a_weekend_is_short_in_business_hours(tmp_path: Path) -> None:
    hours = tmp_path / "business_hours.toml"
    hours.write_text(OPEN)
    settings = settings_of(tmp_path / "data").model_copy(update={"business_hours": hours})
    asked, accepted = f"{FRIDAY}T16:59:00+01:00", f"{MONDAY}T09:01:00+01:00"
    of = {"conversation_id": "c1", "handoff_id": "h1"}
    agent = {"participant_id": "jonas", "participant_role": "agent"}
    Record(settings, Clock(NOW)).publish(
        [
            small("c1") | {"happened_at": "2026-03-18T12:00:00Z"},
            make_event("handoff.requested", happened_at=asked, **of),
            make_event("handoff.accepted", happened_at=accepted, **of, **agent),
        ]
    )
    scope = Scope(Period(FRIDAY, FRIDAY))

    def waits(*, has_business_hours: bool) -> list[tuple[object, ...]]:
        found = load_handoffs(
            settings.warehouse_path,
            scope,
            Period(FRIDAY, MONDAY),
            has_business_hours=has_business_hours,
        )
        return found.waits.rows()

    day_long, two_minutes = 7, 4
    assert waits(has_business_hours=False) == [("to acceptance", day_long, 1)]
    assert waits(has_business_hours=True) == [
        ("to acceptance", day_long, 1),
        (IN_BUSINESS_HOURS, two_minutes, 1),
    ]


def test_each_step_begins_with_its_second() -> None:
    seconds = [0, 29, 30, 59, 60, 119, 120, 299, 300, 899, 900, 3599, 3600, 10**6]
    waits = pl.DataFrame({"clock": "c", "seconds": seconds, "handoffs": 1})
    assert in_steps(waits).rows() == [("c", step, 2) for step in STEPS]
