"""The dashboard's client of the conversation API: one for each URL and key, shared by all sessions.

And what its failures mean in plain words.
"""

import streamlit as st

from ingest.client import Client, ClientError, ProblemError, UnexpectedAnswerError, UnreachableError
from ingest.settings import Settings

TIMEOUT_SECONDS = 5.0
RETRIES = 1
"""A restarted API closes the connections that are kept open; the second attempt opens a new one."""

HOW_TO_MAKE_A_KEY = (
    "Set CONVOLAKE_API_KEY to a key that `convolake keys create dashboard --scope audit --scope review --scope read` "
    "makes."
)


class NoKeyError(Exception):
    """There is no API key for the dashboard; the message says what to do."""


FAILURES = (NoKeyError, ClientError)
"""What a call may raise; `explain` has words for all of them."""


def open_client(settings: Settings) -> Client:
    """Return the client; it is shared, so do not close it. Raises NoKeyError."""
    return _client(settings.url, find_key(settings))


def find_key(settings: Settings) -> str:
    """Return the key of the settings, or the one that this data folder's API knows. Raises NoKeyError."""
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    is_local = settings.url.rstrip("/") == settings.local_url  # no other machine gets the local key
    if not is_local or not settings.local_key_path.exists():
        raise NoKeyError(f"There is no API key. {HOW_TO_MAKE_A_KEY}")
    return settings.local_key_path.read_text().strip()


@st.cache_resource(show_spinner=False)
def _client(url: str, key: str) -> Client:
    return Client(url, key, timeout=TIMEOUT_SECONDS, retries=RETRIES)


def explain(error: NoKeyError | ClientError) -> str:
    """Return why a call failed and what to do: our own words, as Markdown."""
    match error:
        case NoKeyError():
            return str(error)
        case UnreachableError():
            return (
                "The conversation API does not answer. `convolake serve` starts it; "
                "CONVOLAKE_API_URL says where it is."
            )
        case UnexpectedAnswerError():
            return "Another program than the conversation API answers. Check CONVOLAKE_API_URL."
        case ProblemError(code="unauthorized" | "missing_scope" | "forbidden"):
            return "The API key of the dashboard does not allow this. Check CONVOLAKE_API_KEY."
        case ProblemError(code="unknown_conversation"):
            return "The conversation API does not know this conversation."
        case ProblemError(code="conversation_closed"):
            return "This conversation is closed, and closed is final."
        case ProblemError(code="rate_limited" | "log_unavailable" | "outcome_unknown"):
            return "The conversation API is busy. Try again in a moment."
        case _:
            return "The conversation API rejected the request."
