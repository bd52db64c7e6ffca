"""The reviews of the conversation API: what it returns, what is posted, and what a failed call means."""

from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import streamlit as st

from dashboards import formatting
from dashboards.api_client import FAILURES, HOW_TO_MAKE_A_KEY, NoKeyError, explain, open_client
from ingest.client import (
    Client,
    ClientError,
    ItemProgress,
    ProblemError,
    Review,
    SampleProgress,
    Scorecard,
    UnreachableError,
)
from ingest.settings import Settings

TTL_SECONDS = 5
"""Time for which a page keeps what the API returned; a post of this session clears it."""

T = TypeVar("T")

Failure = NoKeyError | ClientError


WORDS = {
    "missing_scope": "The dashboard's API key may not read and write reviews: it needs the scope `review`. "
    + HOW_TO_MAKE_A_KEY,
    "scorecard_exists": "This version was published a moment ago. Reload the page, and publish yours as the next version.",
    "scorecard_mismatch": "The sample is reviewed with another scorecard.",
    "own_review": "Another person than the reviewer decides on a dispute.",
    "review_state": "The review has changed meanwhile, so this step is not possible any more. Reload the page.",
    "event_conflict": "An earlier try was stored, as it was then. Reload the page to see it.",
}
"""What the codes of the API mean for a reviewer, in our own words."""


def call(action: Callable[[Client], T]) -> T:
    """Return the answer of one call. Raises what FAILURES has."""
    return action(open_client(Settings()))


def post(once: str, action: Callable[[Client, str], T]) -> T | None:
    """Return the answer of a call that writes an event; if it fails, show why and return None.

    `action` gets the id of the event. It is the same for the same `once` until a call succeeds: after a lost answer, a
    second try leaves no second event.
    """
    key = f"event {once}"
    event_id: str = st.session_state.setdefault(key, str(uuid4()))
    try:
        answer = call(lambda client: action(client, event_id))
    except FAILURES as error:
        show_failure(error)
        return None
    del st.session_state[key]
    forget()
    return answer


def forget() -> None:
    """Let the next reads ask the API."""
    for load in (_load_scorecards, _load_samples, _load_items, _load_reviews):
        load.clear()


def load_scorecards() -> list[Scorecard]:
    """Return every version of every scorecard, the newest last. Raises what FAILURES has."""
    return _load_scorecards(Settings().url)


def load_samples() -> list[SampleProgress]:
    """Return every sample, the newest first. Raises what FAILURES has."""
    return _load_samples(Settings().url)


def load_items(sample_id: str) -> list[ItemProgress]:
    """Return the conversations of a sample, in the order of review. Raises what FAILURES has."""
    return _load_items(Settings().url, sample_id)


def load_reviews() -> list[Review]:
    """Return every review, the newest first. Raises what FAILURES has. Show only those that `blind` lets through."""
    return _load_reviews(Settings().url)


# The URL of the API is a part of the cache's key.
@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def _load_scorecards(url: str) -> list[Scorecard]:
    return call(lambda client: list(client.scorecards()))


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def _load_samples(url: str) -> list[SampleProgress]:
    samples = call(lambda client: list(client.samples()))
    return sorted(samples, key=lambda each: each.drawn_at, reverse=True)


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def _load_items(url: str, sample_id: str) -> list[ItemProgress]:
    return call(lambda client: list(client.sample_items(sample_id)))


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def _load_reviews(url: str) -> list[Review]:
    reviews = call(lambda client: list(client.reviews()))
    return sorted(reviews, key=lambda each: each.submitted_at, reverse=True)


def show_failure(error: Failure) -> None:
    """Say in plain words why a call failed, and what to do."""
    if isinstance(error, ProblemError) and error.code in WORDS:
        st.error(WORDS[error.code], icon=":material/error:")
        return
    if isinstance(error, UnreachableError):
        kept = "**Nothing was changed, and what you typed is kept on this page.** Try again later. "
        st.error(kept + explain(error), icon=":material/cloud_off:")
    else:
        st.error(explain(error), icon=":material/error:")
    if isinstance(error, ClientError):
        st.code(formatting.reveal(str(error)), language=None, wrap_lines=True)
