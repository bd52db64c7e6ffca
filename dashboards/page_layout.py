"""What every page has around its content: the title, how fresh the data is, and what to do
when there is none.
"""  # noqa: D205

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from dashboards import formatting
from dashboards.filter_state import Bounds, Period
from dashboards.record_status import Freshness, load_bounds, load_freshness
from dashboards.warehouse_reader import WarehouseMissingError, WarehouseNotReadyError
from ingest.settings import Settings

STYLE = Path(__file__).parent / "style.css"
"""For `app.py`, which shows it before every page."""

Content = Callable[[Path, Bounds, Period], None]


def show_page(title: str, content: Content, *, first: Callable[[], None] | None = None) -> None:
    """Show the page `title`, filled by `content` if the warehouse has data.

    `first` is shown before it and needs no warehouse.
    """
    show_title(title)
    if first is not None:
        first()
    settings = Settings()
    try:
        _show_freshness(load_freshness(settings.warehouse_path, settings.lake_path))
        bounds = load_bounds(settings.warehouse_path)
        if bounds.period is None:
            _show_empty()
        else:
            content(settings.warehouse_path, bounds, bounds.period)
    except WarehouseMissingError:
        _show_missing()
    except WarehouseNotReadyError:
        _show_not_ready()


def show_title(title: str) -> None:
    """Begin a page with its title."""
    st.title(title, anchor=False)
    st.session_state["page"] = title


def _show_freshness(freshness: Freshness) -> None:
    if freshness.newest_at is not None:
        newest = freshness.newest_at.replace(tzinfo=UTC)
        st.caption(
            f"Newest event {formatting.moment(freshness.newest_at_local)}, "
            f"{formatting.age(newest, datetime.now(UTC))} · "
            f"{formatting.counted(freshness.event_count, 'event')} loaded · {_waiting(freshness)}"
        )
    if freshness.manifest_error is not None:
        st.error(
            "The manifest of the lake cannot be trusted, so nothing new is loaded:",
            icon=":material/error:",
        )
        st.code(formatting.reveal(freshness.manifest_error), language=None, wrap_lines=True)
    if freshness.quarantined.height:
        _show_quarantine(freshness)


def _waiting(freshness: Freshness) -> str:
    if not freshness.waiting_segments:
        return "nothing waits to be loaded"
    segments = formatting.counted(freshness.waiting_segments, "segment")
    return f"{segments} ({formatting.counted(freshness.waiting_events, 'event')}) not loaded yet"


def _show_quarantine(freshness: Freshness) -> None:
    segments = formatting.counted(freshness.quarantined.height, "segment")
    events = formatting.counted(int(freshness.quarantined["rows"].sum()), "event")
    st.warning(
        f"{segments} with {events} quarantined: damaged files are left out of every figure "
        "below until they are whole again. `convolake verify` has the details.",
        icon=":material/warning:",
    )
    st.dataframe(
        freshness.quarantined,
        hide_index=True,
        column_config={"path": "Segment", "rows": "Events", "reason": "Reason"},
    )


def _show_missing() -> None:
    st.info(
        "**There is no warehouse in this data folder yet.**  \n"
        "`convolake load` makes it from the sealed events; `make demo` starts everything with "
        "simulated conversations. This page shows them once they are loaded: reload it then.",
        icon=":material/database:",
    )


def _show_empty() -> None:
    st.info(
        "**The warehouse holds no conversation yet.**  \n"
        "Post events to the API (`/docs` on its port shows how), or run `convolake simulate`; "
        "then `convolake load`, and reload this page.",
        icon=":material/inbox:",
    )


def _show_not_ready() -> None:
    st.info(
        "**The warehouse cannot be read at this moment.**  \n"
        "A process creates or rebuilds it: reload this page in a moment. If this stays, run "
        "`convolake load`; the dashboard's log has the reason.",
        icon=":material/hourglass_top:",
    )
