"""A transcript: messages with their authors and times, and the events around them.

Everything from the record goes through `formatting.reveal` or `formatting.quote` and then `st.text`,
which shows plain characters: no Markdown, no HTML, no image that is loaded.
"""

import json
from datetime import datetime
from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboards import formatting

Row = dict[str, Any]
Colour = Literal["gray", "green", "orange", "violet", "yellow"]

ROLES: dict[str, Colour] = {
    "customer": "green",
    "bot": "gray",
    "agent": "orange",
    "system": "violet",
}


def show_entries(entries: pl.DataFrame) -> None:
    """Show the entries in order: messages as cards, other events as lines between them."""
    day = None
    with st.container(key="transcript", gap="small"):
        for row in entries.iter_rows(named=True):
            if row["happened_at"].date() != day:
                day = row["happened_at"].date()
                _show_day(row)
            if row["event_type"] == "message.created":
                _show_message(row)
            else:
                _show_line(row)


def _show_day(row: Row) -> None:
    with st.container(key=f"day-{row['sequence']}"):
        st.text(formatting.day(row["happened_at"].date()))


def _show_message(row: Row) -> None:
    role = row["participant_role"] if row["participant_role"] in ROLES else "system"
    kind = "note" if row["visibility"] == "internal" else role
    with st.container(border=True, key=f"message-{kind}-{row['sequence']}", gap="xxsmall"):
        _show_byline(row, role)
        for line in _body(row):
            st.text(line, width="stretch")
        if foot := [*_attachments(row), *_receipts(row)]:
            with st.container(key=f"foot-{row['sequence']}"):
                st.text("\n".join(foot))


def _show_byline(row: Row, role: str) -> None:
    key = f"byline-{row['sequence']}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.badge(role.capitalize(), color=ROLES[role])
        if row["is_found"]:
            st.badge("Found", icon=":material/search:", color="green")
        _show_marks(row)
        st.text(_byline(row))


def _show_marks(row: Row) -> None:
    if row["visibility"] == "internal":
        st.badge("Internal note", icon=":material/lock:", color="yellow")
    if row["is_deleted"]:
        st.badge("Deleted", icon=":material/delete:", color="gray")
    elif row["is_edited"]:
        st.badge("Edited", icon=":material/edit:", color="gray")
    if _payload(row).get("was_stale") is True:
        st.badge("Late", icon=":material/timer_off:", color="yellow")


def _byline(row: Row) -> str:
    parts = [
        formatting.quote(row["participant_id"]),
        _clock(row["happened_at"]),
        f"#{row['sequence']}",
    ]
    if row["bot_version"] is not None:
        parts.insert(1, f"version {formatting.quote(row['bot_version'])}")
    return " · ".join([*parts, *_understood(_payload(row))])


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
    given = _payload(row).get("attachments")
    return [
        f"Attachment: {formatting.quote(formatting.shorten(_json(each)))}"
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


def _show_line(row: Row) -> None:
    kind = row["event_type"].partition(".")[0]
    with st.container(key=f"line-{kind}-{row['sequence']}"):
        st.text(f"{_clock(row['happened_at'])}  {describe(row)}")


def describe(row: Row) -> str:
    """Describe an event that is not a message, in one line."""
    payload = _payload(row)
    match row["event_type"]:
        case "session.started":
            return f"Session {row['session_number'] or ''} started"
        case "session.ended":
            return f"Session ended: {_named(payload.get('reason'))}"
        case "handoff.requested":
            queue = "" if row["queue"] is None else f", queue {formatting.quote(row['queue'])}"
            return f"Handoff requested: {_named(payload.get('reason', 'unknown'))}{queue}"
        case "handoff.accepted":
            return f"Handoff accepted{_by(row)}{_after(row['wait_seconds'])}"
        case "handoff.assigned":
            to = row["participant_id"] or row["queue"] or formatting.UNKNOWN
            return f"Handoff assigned to {formatting.quote(to)}"
        case "handoff.transferred":
            to = payload.get("to_participant_id") or row["queue"] or formatting.UNKNOWN
            return f"Handoff transferred{_by(row)} to {formatting.quote(to)}"
        case "conversation.created":
            before = payload.get("predecessor_id")
            continues = "" if before is None else f", continues {formatting.quote(before)}"
            return f"Conversation begins on {formatting.channel(row['channel'])}{continues}"
        case "conversation.state_changed":
            timer = " by its timer" if payload.get("reason") == "timer" else ""
            return f"Conversation is {_named(payload.get('to'))}{timer}"
        case "control.changed":
            return f"Control passes to {_owner(payload)}"
        case "control.released":
            return f"{formatting.quote(row['participant_id'])} was disconnected and loses control"
        case "conversation.resolved":
            by = payload.get("resolved_by")
            return "Conversation resolved" + ("" if by is None else f" by {_named(by)}")
        case "feedback.submitted":
            score = payload.pop("score", "none")
            return f"Feedback{_by(row)}: score {_named(score)}{_rest(payload)}"
        case "participant.connected" | "participant.disconnected" as changed:
            return f"{formatting.quote(row['participant_id'])} {changed.partition('.')[2]}"
        case "participant.joined" | "participant.left" as moved:
            return f"{formatting.quote(row['participant_id'])} {moved.partition('.')[2]}{_why(payload)}"
        case "bot.tool_called":
            tool = payload.pop("tool", payload.pop("name", "unnamed"))
            return f"Tool called{_by(row)}: {_named(tool)}{_rest(payload)}"
        case _:
            return _other(row, payload)


def _owner(payload: Row) -> str:
    """Return the owner of control, by name if it is a person."""
    who = payload.get("participant_id")
    owner = {"bot": "the bot", "human": "an agent"}.get(str(payload.get("owner")), "no one")
    return owner if who is None else formatting.quote(who)


def _other(row: Row, payload: Row) -> str:
    noun, _, past = row["event_type"].partition(".")
    title = formatting.quote(f"{formatting.name(noun)} {formatting.name(past).lower()}")
    said = "" if row["text"] is None else f": {formatting.quote(formatting.shorten(row['text']))}"
    return f"{title}{_by(row)}{_why(payload)}{said}{_rest(payload)}"


def _why(payload: Row) -> str:
    return f": {_named(payload.pop('reason'))}" if "reason" in payload else ""


def _named(value: object) -> str:
    return formatting.quote(formatting.shorten(str(value).replace("_", " ")))


def _by(row: Row) -> str:
    return "" if row["participant_id"] is None else f" by {formatting.quote(row['participant_id'])}"


def _after(seconds: int | None) -> str:
    return "" if seconds is None else f" after {formatting.duration(seconds)}"


def _rest(payload: Row) -> str:
    return f" · {formatting.quote(formatting.shorten(_json(payload)))}" if payload else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _payload(row: Row) -> Row:
    try:
        found = json.loads(row["payload"] or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _clock(value: datetime) -> str:
    return f"{value:%H:%M:%S}"


def _when(value: datetime, said_at: datetime) -> str:
    """Return the time of day, with the date if it is not the message's own day."""
    return _clock(value) if value.date() == said_at.date() else formatting.moment(value)
