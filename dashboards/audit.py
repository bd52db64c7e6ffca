"""The record of who sees what. Call a function of this module before showing what it names.

Each posts an event and returns when it is on disk. If that is not possible it says why and stops the page, so
nothing is shown that is not on record.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from dashboards import access, formatting
from dashboards.api_client import HOW_TO_MAKE_A_KEY, NoKeyError, open_client
from ingest.client import Client, ClientError, ProblemError, UnreachableError
from ingest.settings import Settings

Act = tuple[object, ...]


@dataclass
class _Shown:
    """The acts that the page of a session shows: since its last whole run, and in the current run."""

    known: set[Act] = field(default_factory=set)
    now: set[Act] = field(default_factory=set)


def _shown() -> _Shown:
    found: _Shown = st.session_state.setdefault("audit shown", _Shown())
    return found


@contextmanager
def page_run() -> Iterator[None]:
    """Tell the openings apart: an act that the run in this block does not show is new in the next run.

    A run that is interrupted, by a click or `st.rerun`, continues in the next one.
    """
    shown = _shown()  # once: a page that stops may not use the session any more
    shown.now = set()
    try:
        yield
    except RerunException:
        raise
    except BaseException:
        shown.known = shown.now
        raise
    shown.known = shown.now


def record_view(conversation_id: str, *, is_unmasked: bool = False) -> None:
    """Record that the user opens a transcript. Safe to repeat while it is shown; to lift the masks is a new act."""

    def post(client: Client, who: dict[str, Any]) -> None:
        client.record_view(**who, conversation_id=conversation_id, is_unmasked=is_unmasked)

    _once(("view", conversation_id, is_unmasked), post)


def record_search(filters: Mapping[str, Any]) -> None:
    """Record that the user searches. Safe to repeat while the results are shown. `filters`: values of JSON."""

    def post(client: Client, who: dict[str, Any]) -> None:
        client.record_search(**who, filters=filters)

    _once(("search", json.dumps(filters, sort_keys=True)), post)


def record_export(
    name: str, file_format: str, row_count: int, filters: Mapping[str, Any] | None = None
) -> None:
    """Record that the user gets rows as a file, before it is offered. Each call is a new file."""

    def post(client: Client, who: dict[str, Any]) -> None:
        client.record_export(
            **who, export=name, file_format=file_format, row_count=row_count, filters=filters
        )

    _record(post)


def record_query(sql: str) -> None:
    """Record that the user runs a query, before it runs. Each call is a new query: call it once a run."""

    def post(client: Client, who: dict[str, Any]) -> None:
        client.record_query(**who, sql=sql)

    _record(post)


def record_rejected_view(rejected_id: int | None = None) -> None:
    """Record that the user reads rejected events: one of them, or their list. Safe to repeat while they are shown."""

    def post(client: Client, who: dict[str, Any]) -> None:
        client.record_rejected_view(**who, rejected_id=rejected_id)

    _once(("rejected", rejected_id), post)


Post = Callable[[Client, dict[str, Any]], None]


def _once(act: Act, post: Post) -> None:
    shown = _shown()
    act = (access.current_user().name, *act)
    if act not in shown.known:
        _record(post)
    shown.known.add(act)
    shown.now.add(act)


def _record(post: Post) -> None:
    """Post an event of the user, or say why not and stop the page."""
    user = access.current_user()
    address = st.context.ip_address
    who = {
        "user": user.name,
        "role": user.role,
        "address": address if isinstance(address, str) else None,
    }
    try:
        post(open_client(Settings()), who)
    except NoKeyError as error:
        _stop(str(error), None)
    except ClientError as error:
        _stop(_advice(error), str(error))


def _advice(error: ClientError) -> str:
    match error:
        case UnreachableError():
            return (
                "The conversation API does not answer. Start it with `convolake serve`, or set CONVOLAKE_API_URL to "
                "its address. Then reload this page."
            )
        case ProblemError(code="missing_scope"):
            return f"The dashboard's API key may not write it: it needs the scope audit. {HOW_TO_MAKE_A_KEY}"
        case ProblemError(code="unauthorized"):
            return f"The API does not know the dashboard's API key. {HOW_TO_MAKE_A_KEY}"
        case ProblemError(is_retryable=True):
            return (
                "The conversation API stores nothing at this moment. Reload this page in a moment."
            )
    return "The conversation API did not accept it. Show this to an administrator:"


def _stop(advice: str, detail: str | None) -> None:
    st.error(
        f"**This is not shown, because it cannot be recorded who sees it.** {advice}",
        icon=":material/visibility_off:",
    )
    if detail is not None:
        st.code(formatting.reveal(detail), language=None, wrap_lines=True)
    st.stop()
