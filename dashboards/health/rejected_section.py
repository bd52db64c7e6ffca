"""The section of rejected events: the list, and one of them with its bytes, to replay or to edit and send."""

from collections.abc import Callable
from typing import Any

import polars as pl
import streamlit as st

from dashboards import audit, filters, formatting
from dashboards.api_client import NoKeyError, open_client
from dashboards.cell_text import texts
from dashboards.health import api_stats, replay
from ingest.client import Client, ClientError
from ingest.settings import Settings

COLUMNS: dict[str, Any] = {
    "received_at": st.column_config.DatetimeColumn("Received", format="D MMM YYYY, HH:mm:ss"),
    "source": "Source",
    "code": "Reason",
    "detail": "What is wrong",
    "raw": "Bytes",
    "replayed_at": st.column_config.DatetimeColumn("Replayed", format="D MMM YYYY, HH:mm:ss"),
}
CHOSEN, OUTCOME, EDITED = "rejected", "rejected outcome", "rejected edited"
"""Key of the URL: the id of the opened event. Keys of the session: the outcome of a replay, the edited body."""

Row = dict[str, Any]


def show(rejected: pl.DataFrame) -> None:
    """Show the newest rejected events, and the one that the URL names, once it is recorded who reads them."""
    st.subheader("Rejected events", anchor=False)
    if not rejected.height:
        st.caption("None so far.")
        return
    audit.record_rejected_view()
    st.caption(
        f"The newest {rejected.height}, times in UTC · click a row to open it · fix the cause first, then replay "
        "here or with `convolake rejected replay`"
    )
    st.dataframe(
        rejected.select(*COLUMNS).with_columns(
            texts(rejected[name], _safe) for name in ("source", "detail", "raw")
        ),
        key="rejected list",
        hide_index=True,
        column_config=COLUMNS,
        placeholder=formatting.UNKNOWN,
        on_select=lambda: _open(rejected),
        selection_mode=["single-row", "single-cell"],
    )
    _show_outcome()
    _show_chosen(rejected)


def _safe(text: str) -> str:
    return formatting.reveal(formatting.shorten(text))


def _open(listed: pl.DataFrame) -> None:
    selected = st.session_state["rejected list"]["selection"]
    chosen = [*selected["rows"], *(row for row, _ in selected["cells"])]
    if chosen and chosen[0] < listed.height:
        st.query_params[CHOSEN] = str(listed["rejected_id"][chosen[0]])
        st.session_state.pop(EDITED, None)


def _show_chosen(rejected: pl.DataFrame) -> None:
    number = filters.number_of(CHOSEN)
    if number is None:
        return
    found = rejected.filter(pl.col("rejected_id") == number)
    if not found.height:
        st.info(
            "The rejected event of the link is not among the newest.", icon=":material/link_off:"
        )
        return
    audit.record_rejected_view(number)
    with st.container(border=True):
        _show_event(found.row(0, named=True))


def _show_event(row: Row) -> None:
    st.caption(
        f"Rejected event {row['rejected_id']}, {formatting.counted(row['size'], 'byte')}, received by"
    )
    st.text(formatting.reveal(row["path"]))
    st.caption("What is wrong")
    st.text(formatting.reveal(f"{row['code']}: {row['detail']}"))
    st.caption("Bytes" if len(row["raw"].encode()) >= row["size"] else "The first 256 KiB")
    st.code(formatting.reveal(row["raw"]), language=None, wrap_lines=True)
    if row["replayed_at"] is not None:
        st.success(
            f"It was replayed {formatting.moment(row['replayed_at'])} UTC.", icon=":material/check:"
        )
        return
    st.button(
        "Replay as it is",
        icon=":material/replay:",
        on_click=_act,
        args=(lambda client: replay.replay(client, row["rejected_id"]),),
    )
    if replay.can_edit(row["path"]):
        _show_editor(row)


def _show_editor(row: Row) -> None:
    with st.expander("Edit it and send it as a new event"):
        st.caption("It is written by the dashboard's key. Characters beyond ASCII are escaped.")
        if EDITED not in st.session_state:
            st.session_state[EDITED] = replay.editable(row["raw"])
        st.text_area("Body", key=EDITED, height=260)
        st.button("Send", icon=":material/send:", on_click=_send, args=(row["path"],))


def _send(path: str) -> None:
    text: str = st.session_state[EDITED]
    _act(lambda client: replay.send(client, path, text))


def _act(act: Callable[[Client], str]) -> None:
    """Run a replay; keep the outcome for the page that follows."""
    try:
        outcome = True, act(open_client(Settings()))
    except (replay.EditError, NoKeyError, ClientError) as error:
        outcome = False, str(error)
    st.session_state[OUTCOME] = outcome
    api_stats.load_api_stats.clear()


def _show_outcome() -> None:
    stored, text = st.session_state.pop(OUTCOME, (None, ""))
    if stored is None:
        return
    if stored:
        st.success(
            "The event is on record. It shows here after the next load:", icon=":material/check:"
        )
    else:
        st.error("The event was rejected again:", icon=":material/error:")
    st.code(formatting.reveal(text), language=None, wrap_lines=True)
