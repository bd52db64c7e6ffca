"""The conversation that a reviewer holds: claimed, prolonged while the page is used, released, or lost."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import streamlit as st

from dashboards.api_client import FAILURES
from dashboards.reviews import connection
from dashboards.reviews.connection import Failure
from ingest.client import Claim

PROLONG_SECONDS = 60.0
"""Time after which a click or a keystroke prolongs the lock."""


@dataclass
class Held:
    """A claimed conversation. `review_id` is the id of the review to come, so that it can be sent twice safely.

    `lost`: another reviewer has it. `failure`: why the lock could not be prolonged.
    """

    sample_id: str
    conversation_id: str
    locked_until: datetime
    review_id: str = field(default_factory=lambda: str(uuid4()))
    began: float = field(default_factory=time.monotonic)
    prolonged: float = field(default_factory=time.monotonic)
    is_lost: bool = False
    failure: Failure | None = None

    spent: int | None = None

    def spend(self) -> int:
        """Return the seconds from the claim to the first call. A second try sends the same, so that it is the same event."""
        if self.spent is None:
            self.spent = round(time.monotonic() - self.began)
        return self.spent


def hold(sample_id: str, reviewer: str) -> Held | None:
    """Return what the reviewer holds of a sample, claimed if necessary; None if nothing is left.

    Raises what FAILURES has only if nothing is held: what is typed already never gets lost with the connection.
    """
    held: Held | None = st.session_state.get(_key(sample_id, reviewer))
    if held is None:
        claim = _claim(sample_id, reviewer)
        held = None if claim is None else Held(sample_id, claim.conversation_id, claim.locked_until)
        st.session_state[_key(sample_id, reviewer)] = held
    elif not held.is_lost and time.monotonic() - held.prolonged >= PROLONG_SECONDS:
        _prolong(held, reviewer)
    return held


def drop(sample_id: str, reviewer: str) -> None:
    """Forget what the reviewer holds, after it was submitted or released; the next `hold` claims."""
    st.session_state.pop(_key(sample_id, reviewer), None)


def release(held: Held, reviewer: str) -> None:
    """Give the conversation back to the others."""
    connection.call(
        lambda client: client.release_item(held.sample_id, held.conversation_id, reviewer)
    )
    connection.forget()
    drop(held.sample_id, reviewer)


def _prolong(held: Held, reviewer: str) -> None:
    try:
        claim = _claim(held.sample_id, reviewer)
        held.failure, held.prolonged = None, time.monotonic()
        held.is_lost = claim is None or claim.conversation_id != held.conversation_id
        if claim is not None and held.is_lost:
            _give_back(claim, held.sample_id, reviewer)
        elif claim is not None:
            held.locked_until = claim.locked_until
    except FAILURES as error:
        held.failure = error


def _give_back(claim: Claim, sample_id: str, reviewer: str) -> None:
    """Release the next conversation, which the reviewer does not read yet."""
    conversation_id = claim.conversation_id
    connection.call(lambda client: client.release_item(sample_id, conversation_id, reviewer))


def _claim(sample_id: str, reviewer: str) -> Claim | None:
    claim = connection.call(lambda client: client.claim_item(sample_id, reviewer))
    connection.forget()
    return claim


def _key(sample_id: str, reviewer: str) -> str:
    return f"held {sample_id} {reviewer}"
