"""Runs the query of a session, with its time and a button that stops it."""

from pathlib import Path
from threading import BoundedSemaphore

import streamlit as st

from dashboards import access, audit
from warehouse.query_process import Answer, QueryError, RunningQuery

MAX_AT_ONCE = 4
"""Queries of all users that run at once: each may take the memory of `Limits`."""
STEP_SECONDS = 0.25
OUTCOME, IN_PROGRESS = "sql outcome", "sql in progress"

Outcome = Answer | QueryError


def run(warehouse: Path, query: str) -> None:
    """Record the query, run it, and keep its outcome for this session.

    Any click, of Stop too, interrupts the page, and that ends the query's process.
    """
    st.session_state.pop(OUTCOME, None)
    audit.record_query(query)
    places = _places()
    if not places.acquire(blocking=False):
        busy = f"{MAX_AT_ONCE} queries run already. Try again in a moment."
        st.session_state[OUTCOME] = QueryError(busy)
        return
    st.session_state[IN_PROGRESS] = True
    try:
        st.session_state[OUTCOME] = _wait(warehouse, query)
        del st.session_state[IN_PROGRESS]
    finally:
        places.release()


def last_outcome() -> Outcome | None:
    """Return the outcome of the query that was run last in this session; None before the first."""
    if st.session_state.pop(IN_PROGRESS, False):
        st.session_state[OUTCOME] = QueryError("The query was stopped before it had an answer.")
    outcome: Outcome | None = st.session_state.get(OUTCOME)
    return outcome


def _wait(warehouse: Path, query: str) -> Outcome:
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", icon=":material/stop:")
        line = st.empty()
    with RunningQuery(warehouse, query, reads_audit=access.may("audit.read")) as running:
        try:
            while (answer := running.wait(STEP_SECONDS)) is None:
                line.text(f"The query runs: {running.elapsed:.0f} s")
        except QueryError as error:
            return error
        finally:
            place.empty()
    return answer


@st.cache_resource(show_spinner=False)
def _places() -> BoundedSemaphore:
    return BoundedSemaphore(MAX_AT_ONCE)
