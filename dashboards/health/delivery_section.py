"""The section of the deliveries: what webhooks received, and what they never will unless it is replayed."""

from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.health.data import DELIVERY_DAYS
from dashboards.warehouse_reader import Frames

WEBHOOKS: dict[str, Any] = {
    "webhook_id": "Webhook",
    "delivered": st.column_config.NumberColumn("Delivered", format="localized"),
    "failed_attempts": st.column_config.NumberColumn("Failed attempts", format="localized"),
    "dead_letters": st.column_config.NumberColumn("Dead letters", format="localized"),
    "duration_p50": st.column_config.NumberColumn("Median duration", format="%.3f s"),
    "last_attempt_at": st.column_config.DatetimeColumn(
        "Last attempt (UTC)", format="D MMM YYYY, HH:mm:ss"
    ),
    "last_error": "Last error",
}
LETTERS: dict[str, Any] = {
    "attempted_at": st.column_config.DatetimeColumn("At (UTC)", format="D MMM YYYY, HH:mm:ss"),
    "webhook_id": "Webhook",
    "event_type": "Event",
    "conversation_id": "Conversation",
    "attempts": "Attempts",
    "http_status": "Status",
    "error": "Error",
    "event_position": "Position",
}


def show(frames: Frames) -> None:
    """Show each webhook with its attempts, and the newest dead letters."""
    st.subheader("Deliveries", anchor=False)
    webhooks, letters = frames["deliveries"], frames["dead_letters"]
    if not webhooks.height:
        st.caption(
            f"No webhook was called in the last {DELIVERY_DAYS} days on record. `POST /v1/webhooks` makes one."
        )
        return
    st.caption(f"Attempts of the last {DELIVERY_DAYS} days on record, as far as they are loaded")
    _show_frame(webhooks, WEBHOOKS)
    if letters.height:
        _show_letters(letters)


def _show_letters(letters: pl.DataFrame) -> None:
    count = int(letters["letters"][0])
    st.warning(
        f"{formatting.counted(count, 'dead letter')}: the receiver did not accept them in time. Once it works, "
        "`POST /v1/webhooks/{webhook_id}/replay` sends them again.",
        icon=":material/mark_email_unread:",
    )
    if letters.height < count:
        st.caption(f"The newest {letters.height} of {count:,}")
    _show_frame(letters, LETTERS)


def _show_frame(frame: pl.DataFrame, columns: dict[str, Any]) -> None:
    st.dataframe(
        formatting.reveal_frame(frame.select(*columns)),
        hide_index=True,
        column_config=columns,
        placeholder=formatting.UNKNOWN,
    )
