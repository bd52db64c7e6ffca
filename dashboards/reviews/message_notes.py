"""Notes on single messages: comments, and what the message should have said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboards import formatting
from ingest.client import CorrectedAnswer, PinnedComment

Kind = Literal["comment", "answer"]

KINDS: dict[Kind, str] = {
    "comment": "Comment",
    "answer": "It should have said",
}


@dataclass(frozen=True)
class Note:
    """A note on the message with this id, which has this sequence in the conversation."""

    kind: Kind
    message_id: str
    sequence: int
    text: str


def choose_notes(entries: pl.DataFrame, key: str) -> list[Note]:
    """Show the notes so far and a form for the next; return all, with the one that is being typed.

    `entries`: the part of the transcript that is shown; the next note is on one of its messages.
    """
    notes: list[Note] = st.session_state.setdefault(f"notes {key}", [])
    for place, note in enumerate(notes):
        _show_note(note, place, key)
    typed = _type_note(_messages(entries), key)
    return notes if typed is None else [*notes, typed]


def _messages(entries: pl.DataFrame) -> dict[str, dict[str, Any]]:
    messages = entries.filter(
        pl.col("event_type") == "message.created", pl.col("message_id").is_not_null()
    )
    return {row["message_id"]: row for row in messages.iter_rows(named=True)}


def _show_note(note: Note, place: int, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"note {key} {place}"):
        st.text(
            f"#{note.sequence} · {KINDS[note.kind]}: {formatting.reveal(note.text)}",
            width="stretch",
        )
        st.button(
            "Remove",
            key=f"remove {key} {place}",
            icon=":material/close:",
            type="tertiary",
            on_click=st.session_state[f"notes {key}"].pop,
            args=(place,),
        )


def _type_note(messages: dict[str, dict[str, Any]], key: str) -> Note | None:
    if not messages:
        return None
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    message_id = left.selectbox(
        "Message",
        list(messages),
        format_func=lambda each: _label(messages[each]) if each in messages else each,
        index=None,
        placeholder="Choose a message of the transcript",
        key=f"note message {key}",
        persist_state="session",
    )
    kind: Kind = right.selectbox(
        "Kind", list(KINDS), format_func=KINDS.__getitem__, key=f"note kind {key}",
        persist_state="session",
    )  # fmt: skip
    text = st.text_area(
        "Text", key=f"note text {key}", height=80, max_chars=2000, persist_state="session"
    ).strip()
    typed: Note | None = None
    if message_id in messages and text:
        sequence = messages[message_id]["sequence"]
        typed = Note(kind, message_id, sequence, text)
    st.button(
        "Add to the message",
        key=f"note add {key}",
        icon=":material/push_pin:",
        disabled=typed is None,
        on_click=_add,
        args=(typed, key),
    )
    return typed


def _add(note: Note | None, key: str) -> None:
    if note is not None:
        st.session_state[f"notes {key}"].append(note)
        st.session_state[f"note text {key}"] = ""


def _label(row: dict[str, Any]) -> str:
    said = formatting.shorten(formatting.quote(row["text"] or "no text"), 60)
    return f"#{row['sequence']} {row['participant_role'] or 'system'}: {said}"


def comments(notes: Sequence[Note]) -> list[PinnedComment]:
    """Return the comments, as the API takes them."""
    return [
        PinnedComment(message_id=each.message_id, text=each.text)
        for each in notes
        if each.kind == "comment"
    ]


def corrected_answers(notes: Sequence[Note]) -> list[CorrectedAnswer]:
    """Return what messages should have said, as the API takes it."""
    return [
        CorrectedAnswer(message_id=each.message_id, text=each.text)
        for each in notes
        if each.kind == "answer"
    ]
