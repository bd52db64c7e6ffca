"""Notes on single messages: comments, and what the message should have said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.masking import locate
from dashboards.reviews.opened_transcript import Opened
from ingest.client import CorrectedAnswer, PinnedComment

Kind = Literal["comment", "answer"]

KINDS: dict[Kind, str] = {
    "comment": "Comment",
    "answer": "It should have said",
}

ISOLATES = dict.fromkeys(map(ord, "\u2066\u2067\u2068\u2069"))
"""Invisible characters that the page puts around quoted text; a copy may have them."""


@dataclass(frozen=True)
class Note:
    """A note on the message with this id, which has this sequence in the conversation.

    A comment may be on some words of the message; `place`: where they are in its text.
    """

    kind: Kind
    message_id: str
    sequence: int
    text: str
    words: str = ""
    place: tuple[int, int] | None = None


def choose_notes(opened: Opened, key: str) -> list[Note]:
    """Show the notes so far and a form for the next; return all, with the one that is being typed.

    `opened`: the part of the transcript that is shown; the next note is on one of its messages.
    """
    notes: list[Note] = st.session_state.setdefault(f"notes {key}", [])
    for place, note in enumerate(notes):
        _show_note(note, place, key)
    typed = _type_note(_messages(opened.entries), opened.originals, key)
    return notes if typed is None else [*notes, typed]


def _messages(entries: pl.DataFrame) -> dict[str, dict[str, Any]]:
    messages = entries.filter(
        pl.col("event_type") == "message.created", pl.col("message_id").is_not_null()
    )
    return {row["message_id"]: row for row in messages.iter_rows(named=True)}


def _show_note(note: Note, place: int, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"note {key} {place}"):
        st.text(
            f"#{note.sequence} · {KINDS[note.kind]}{_on_words(note)}: {formatting.reveal(note.text)}",
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


def _on_words(note: Note) -> str:
    return f" on {formatting.quote(note.words)}" if note.words else ""


def _type_note(
    messages: dict[str, dict[str, Any]], originals: dict[str, str], key: str
) -> Note | None:
    if not messages:
        return None
    message_id, kind = _choose_message(messages, key)
    words, place = "", None
    if kind == "comment" and message_id in originals:
        words, place = _choose_words(originals[message_id], key)
    text = st.text_area(
        "Text", key=f"note text {key}", height=80, max_chars=2000, persist_state="session"
    ).strip()
    typed: Note | None = None
    if message_id in messages and text and (place is not None or not words):
        sequence = messages[message_id]["sequence"]
        typed = Note(kind, message_id, sequence, text, words, place)
    st.button(
        "Add to the message",
        key=f"note add {key}",
        icon=":material/push_pin:",
        disabled=typed is None,
        on_click=_add,
        args=(typed, key),
    )
    return typed


def _choose_message(messages: dict[str, dict[str, Any]], key: str) -> tuple[str | None, Kind]:
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
    return message_id, kind


def _choose_words(text: str, key: str) -> tuple[str, tuple[int, int] | None]:
    """Return the words that the comment is on, and their place in `text`: None if it does not have them once."""
    words = st.text_input(
        "Only these words of it",
        key=f"note words {key}",
        max_chars=500,
        placeholder="Empty: the whole message. Copy the words from the transcript",
        persist_state="session",
    )
    words = words.translate(ISOLATES).strip()
    place = locate(text, words)
    if words and place is None:
        st.caption("The message has to have these words exactly once. Copy more of it, or less.")
    return words, place


def _add(note: Note | None, key: str) -> None:
    if note is not None:
        st.session_state[f"notes {key}"].append(note)
        st.session_state[f"note text {key}"] = ""
        st.session_state[f"note words {key}"] = ""


def _label(row: dict[str, Any]) -> str:
    said = formatting.shorten(formatting.quote(row["text"] or "no text"), 60)
    return f"#{row['sequence']} {row['participant_role'] or 'system'}: {said}"


def comments(notes: Sequence[Note]) -> list[PinnedComment]:
    """Return the comments, as the API takes them."""
    return [
        PinnedComment(message_id=each.message_id, text=each.text, start=start, end=end)
        for each in notes
        if each.kind == "comment"
        for start, end in [each.place or (None, None)]
    ]


def corrected_answers(notes: Sequence[Note]) -> list[CorrectedAnswer]:
    """Return what messages should have said, as the API takes it."""
    return [
        CorrectedAnswer(message_id=each.message_id, text=each.text)
        for each in notes
        if each.kind == "answer"
    ]
