"""The editor: the query as text, in the URL as `q`, and the worked queries to start from."""

from functools import cache
from pathlib import Path

import streamlit as st

EXAMPLES = Path(__file__).parent / "examples"
MAX_CHARACTERS = 10_000
TEXT, SETTLED, EXAMPLE = "sql", "sql settled", "sql example"
"""Keys in the session: the text, the query that the URL had last, the chosen example."""
KEPT = "sql kept"
"""The text while another page is open: there its widget is forgotten."""


def choose_query() -> str | None:
    """Show the editor; return the query if the user runs it now.

    A query of the URL is only put into the editor: a link runs nothing in the name of the user who opens it.
    """
    _take_from_address()
    _choose_example()
    with st.form("query", border=False):
        text = st.text_area("Query", key=TEXT, height=190, max_chars=MAX_CHARACTERS)
        is_run = st.form_submit_button(
            "Run", type="primary", icon=":material/play_arrow:", help="Ctrl-Enter or Cmd-Enter"
        )
    st.session_state[KEPT] = text
    if not is_run:
        return None
    query = text.strip()
    st.query_params["q"] = query
    st.session_state[SETTLED] = query
    return query


def put(query: str) -> None:
    """Put a query into the editor; it is not run."""
    st.session_state[TEXT] = query


def _take_from_address() -> None:
    given = st.query_params.get("q", "")[:MAX_CHARACTERS]
    state = st.session_state
    if given and given != state.get(SETTLED):
        state[TEXT] = given
        st.info(
            "The query of the link is in the editor. Read it, then run it.", icon=":material/link:"
        )
    elif TEXT not in state:
        state[TEXT] = state.get(KEPT, "")
    state[SETTLED] = given


def _choose_example() -> None:
    st.selectbox(
        "Worked queries",
        list(examples()),
        index=None,
        placeholder="Start from a worked query",
        key=EXAMPLE,
        on_change=_put_example,
    )


def _put_example() -> None:
    chosen = st.session_state[EXAMPLE]
    if chosen is not None:
        put(examples()[chosen])


@cache
def examples() -> dict[str, str]:
    """Return the worked queries of the documentation by title."""
    return dict(_read_example(path) for path in sorted(EXAMPLES.glob("*.sql")))


def _read_example(path: Path) -> tuple[str, str]:
    title, _, query = path.read_text().partition("\n")
    return title.removeprefix("-- ").removesuffix("."), query.strip()
