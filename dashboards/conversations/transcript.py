"""A transcript: messages with their authors and times, and the events around them.

Everything from the record goes through `formatting.reveal` or `formatting.quote` and then `st.text`,
which shows plain characters: no Markdown, no HTML, no image that is loaded.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.conversations.descriptions import describe, describe_call, payload_of, to_json
from dashboards.conversations.details import Details
from dashboards.masking import mask

Row = dict[str, Any]
Colour = Literal["gray", "green", "orange", "violet", "yellow"]

ROLES: dict[str, Colour] = {
    "customer": "green",
    "bot": "gray",
    "agent": "orange",
    "system": "violet",
}
OPENED = {"first": "first message", "message": "after a resolution", "reopened": "reopened"}


@dataclass(frozen=True)
class View:
    """How entries are shown: with links to `conversation_id`, their details, and the sequences of hits.

    `shows_earlier`: whether the texts that edits replaced are shown; `is_masked`: whether they are masked then.
    """

    conversation_id: str | None = None
    details: Details = field(default_factory=Details)
    hits: frozenset[int] = frozenset()
    shows_earlier: bool = False
    is_masked: bool = True


def show_entries(entries: pl.DataFrame, view: View = View()) -> None:
    """Show the entries in order: messages as cards, other events as lines between them."""
    day = None
    with st.container(key="transcript", gap="small"):
        for row in entries.iter_rows(named=True):
            if row["happened_at"].date() != day:
                day = row["happened_at"].date()
                _show_day(row)
            if (episode := view.details.episodes.get(row["sequence"])) is not None:
                _show_episode(episode)
            with st.container(key=f"{'marked' if row['is_found'] else 'entry'}-{row['sequence']}"):
                _show_entry(row, view)


def _show_entry(row: Row, view: View) -> None:
    call = view.details.calls.get(row["sequence"])
    if row["event_type"] == "message.created":
        _show_message(row, view)
    elif call is not None:
        _show_call(row, call, view)
    else:
        _show_line(row, view)


def _show_episode(episode: Row) -> None:
    with st.container(key=f"line-episode-{episode['sequence']}"):
        opened = OPENED.get(episode["opened_by"], "opened")
        st.text(f"Demand {episode['episode_number']} begins: {opened}")


def _show_call(row: Row, call: Row, view: View) -> None:
    """Show a call of a language model: its figures folded below a line of numbers."""
    if view.is_masked and call["error"] is not None:
        call = call | {"error": mask(call["error"])}
    summary, lines = describe_call(call)
    label = f"{_clock(row['happened_at'])}  Model call{summary}"
    with st.container(key=f"line-call-{row['sequence']}"), st.expander(label):
        for line in lines:
            st.text(line)


def _show_day(row: Row) -> None:
    with st.container(key=f"day-{row['sequence']}"):
        st.text(formatting.day(row["happened_at"].date()))


def _show_message(row: Row, view: View) -> None:
    role = row["participant_role"] if row["participant_role"] in ROLES else "system"
    kind = "note" if row["visibility"] == "internal" else role
    with st.container(border=True, key=f"message-{kind}-{row['sequence']}", gap="xxsmall"):
        _show_byline(row, role, view)
        for line in _body(row):
            st.text(line, width="stretch")
        if foot := [*_attachments(row), *_receipts(row)]:
            with st.container(key=f"foot-{row['sequence']}"):
                st.text("\n".join(foot))
        _show_edits(view.details.edits.get(row["sequence"], []), view)


def _show_edits(edits: list[Row], view: View) -> None:
    """Show that a message was edited, and the texts before, folded, to those who may read them."""
    if not edits:
        return
    with st.expander(f"Edited {formatting.counted(len(edits), 'time')}", icon=":material/history:"):
        if not view.shows_earlier:
            st.caption("Your role does not show earlier texts.")
        for edit in edits:
            by = (
                ""
                if edit["participant_id"] is None
                else f" by {_plain(edit['participant_id'], view)}"
            )
            st.text(f"Until {formatting.moment(edit['edited_at'])}, edited{by}:")
            if view.shows_earlier:
                st.text(formatting.reveal(_seen(edit["text"] or "(no text)", view)))


def _seen(text: str, view: View) -> str:
    return mask(text) if view.is_masked else text


def _plain(value: str, view: View) -> str:
    return formatting.quote(_seen(value, view))


def _show_byline(row: Row, role: str, view: View) -> None:
    key = f"byline-{row['sequence']}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.badge(role.capitalize(), color=ROLES[role])
        if row["sequence"] in view.hits:
            st.badge("Found", icon=":material/search:", color="green")
        _show_marks(row)
        st.text(_byline(row))
        _show_link(row, view)


def _show_link(row: Row, view: View) -> None:
    """Show the number of an entry; it is the link to the entry, to open or to copy."""
    number = f"#{row['sequence']}"
    if row["is_found"]:
        st.badge("Here", icon=":material/my_location:", color="green")
    if view.conversation_id is None:
        st.text(number)
        return
    address = {"conversation": view.conversation_id, "event": str(row["sequence"])}
    st.page_link(
        "conversations/page.py", label=number, query_params=address, help="Link to this entry"
    )


def _show_marks(row: Row) -> None:
    if row["visibility"] == "internal":
        st.badge("Internal note", icon=":material/lock:", color="yellow")
    if row["is_deleted"]:
        st.badge("Deleted", icon=":material/delete:", color="gray")
    elif row["is_edited"]:
        st.badge("Edited", icon=":material/edit:", color="gray")
    if row["failed_at"] is not None:
        st.badge("Not delivered", icon=":material/error:", color="red")
    if payload_of(row).get("was_stale") is True:
        st.badge("Late", icon=":material/timer_off:", color="yellow")
    if row.get("is_masked"):
        st.badge("Masked", icon=":material/visibility_off:", color="gray")


def _byline(row: Row) -> str:
    parts = [
        formatting.quote(row["participant_id"]),
        _clock(row["happened_at"]),
        formatting.channel(row["channel"]),
    ]
    if row["bot_version"] is not None:
        parts.insert(1, f"version {formatting.quote(row['bot_version'])}")
    return " · ".join([*parts, *_understood(payload_of(row))])


def _understood(payload: Row) -> list[str]:
    nlu = payload.get("nlu")
    if not isinstance(nlu, dict) or "intent" not in nlu:
        return []
    confidence = nlu.get("confidence")
    sure = f" ({confidence:.2f})" if isinstance(confidence, float | int) else ""
    return [f"intent {formatting.quote(nlu['intent'])}{sure}"]


def _body(row: Row) -> list[str]:
    if row["is_deleted"]:
        return ["This message was deleted."]
    return [formatting.reveal(row["text"])] if row["text"] else []


def _attachments(row: Row) -> list[str]:
    """Return one line for each attachment; they are named, never loaded."""
    given = payload_of(row).get("attachments")
    return [
        f"Attachment: {formatting.quote(formatting.shorten(to_json(each)))}"
        for each in (given if isinstance(given, list) else [])
    ]


def _receipts(row: Row) -> list[str]:
    parts = [
        f"{done} {_when(row[at], row['happened_at'])}"
        for done, at in (("Delivered", "delivered_at"), ("read", "read_at"))
        if row[at] is not None
    ]
    if row["failed_at"] is not None:
        code = "" if row["error_code"] is None else f", error {formatting.quote(row['error_code'])}"
        parts.append(f"not delivered {_when(row['failed_at'], row['happened_at'])}{code}")
    text = " · ".join(parts)
    return [f"{text[0].upper()}{text[1:]}"] if text else []


def _show_line(row: Row, view: View) -> None:
    kind = row["event_type"].partition(".")[0]
    key = f"line-{kind}-{row['sequence']}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.text(f"{_clock(row['happened_at'])}  {describe(row)}")
        if row.get("is_masked"):
            st.badge("Masked", icon=":material/visibility_off:", color="gray")
        _show_link(row, view)


def _clock(value: datetime) -> str:
    return f"{value:%H:%M:%S}"


def _when(value: datetime, said_at: datetime) -> str:
    """Return the time of day, with the date if it is not the message's own day."""
    return _clock(value) if value.date() == said_at.date() else formatting.moment(value)
