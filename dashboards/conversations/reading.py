"""One conversation on the page: its summary, the tools of a reader, its entries, the print view."""

from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import access, audit, filters, formatting, masking
from dashboards.cell_text import texts
from dashboards.conversations import data, details, print_view, same_person, tools, transcript
from dashboards.conversations.data import PART_SIZE, Transcript
from dashboards.conversations.transcript import View

PLACE = ("part", "event", "message")
"""Parameters of the URL that say where in a transcript the page begins."""
OF_A_CONVERSATION = ("conversation", "find", "unmasked", "view", "without_notes", *PLACE)

OTHERS: dict[str, Any] = {
    "link": st.column_config.LinkColumn("Transcript", display_text="Open"),
    "started_at": st.column_config.DatetimeColumn("Started", format="D MMM YYYY, HH:mm:ss"),
    "channel": "Channel",
    "state": "State",
    "message_count": st.column_config.NumberColumn("Messages", format="localized"),
    "handoff_count": st.column_config.NumberColumn("Handoffs", format="localized"),
    "conversation_id": "Conversation",
}


def show(warehouse: Path, conversation_id: str) -> None:
    """Show a conversation from the place that the URL names, or for print."""
    top = st.container(horizontal=True, vertical_alignment="center", key="transcript-top")
    top.button("All conversations", icon=":material/arrow_back:", on_click=_close)
    _show_address(conversation_id)
    is_print = st.query_params.get("view") == "print"
    size = print_view.SHEET_SIZE if is_print else PART_SIZE
    part, event = filters.page_of("part", conversation_id), _event()
    found = data.load_transcript(warehouse, conversation_id, part, event, size)
    if found is None:
        st.warning(
            "No conversation on record has the id in the address. Check the link; a conversation "
            "that began a moment ago is here after the next load.",
            icon=":material/search_off:",
        )
        return
    with top:
        is_masked = _choose_masking()
    audit.record_view(conversation_id, is_unmasked=not is_masked)
    _show_summary(found.conversation, is_masked=is_masked)
    if is_print:
        print_view.show(warehouse, found, is_masked=is_masked)
    else:
        others = st.container()
        _show_transcript(warehouse, found, event, is_masked=is_masked)
        with others:  # last: the entries do not wait for it
            _show_others(warehouse, found.conversation, is_masked=is_masked)
            if found.conversation["contact_id"] is not None:
                same_person.show(found.conversation["contact_id"], is_masked=is_masked)


def _show_address(conversation_id: str) -> None:
    """Bring the parameters into the address bar: a link to the same page changes them, and not the bar."""
    named = {key: st.query_params.get_all(key) for key in st.query_params}
    if st.session_state.get("address") != named:
        st.session_state["address"] = named
        st.query_params["conversation"] = conversation_id  # sends all of them


def _event() -> int | None:
    """Return the sequence at which the page begins; `message` is its name in older links."""
    if "message" in st.query_params:
        older = st.query_params.pop("message")
        if "event" not in st.query_params:
            st.query_params["event"] = older
    return filters.number_of("event")


def _close() -> None:
    for name in OF_A_CONVERSATION:
        st.query_params.pop(name, None)


def _choose_masking() -> bool:
    """Return whether personal data is masked: unless the user may lift the masks, and does."""
    if access.may("mask.lift"):
        return not filters.choose_toggle("Show masked emails, phone and card numbers", "unmasked")
    st.caption("Emails, phone and card numbers are masked. Your role does not lift masks.")
    return True


def _show_transcript(
    warehouse: Path, found: Transcript, event: int | None, *, is_masked: bool
) -> None:
    hits = tools.show(warehouse, found, event)
    st.caption(_place(found, event))
    view = View(
        conversation_id=found.conversation["conversation_id"],
        details=details.load_details(warehouse, found),
        hits=frozenset(hits),
        shows_earlier=access.may("mask.lift"),
        is_masked=is_masked,
    )
    entries = masking.mask_entries(found.entries) if is_masked else found.entries
    transcript.show_entries(entries, view)
    filters.choose_page("part", found.part, found.parts, drop=PLACE)


def _place(found: Transcript, event: int | None) -> str:
    entries = formatting.counted(found.entry_count, "entry", "entries")
    start = "" if event is None else f"From two entries before #{event} · "
    times = f"times in {found.conversation['reporting_zone']}"
    return f"{start}Part {found.part} of {found.parts} · {entries} · {times}"


def _show_summary(row: dict[str, Any], *, is_masked: bool) -> None:
    with st.container(border=True, key="summary"):
        st.text(formatting.reveal(_seen(row["conversation_id"], is_masked)))
        with st.container(horizontal=True, gap="medium"):
            for label, value in _facts(row, is_masked):
                with st.container(width="content", gap=None):
                    st.caption(label)
                    st.text(value)
        _show_links(row["conversation_id"])


def _show_links(conversation_id: str) -> None:
    address = {"conversation": conversation_id}
    with st.container(horizontal=True, vertical_alignment="center", key="summary-links"):
        with st.popover("Link", icon=":material/link:"):
            st.caption("Link to this transcript; the number of an entry is the link to the entry")
            st.code(filters.link(address), language=None, wrap_lines=True)
        if st.query_params.get("view") == "print":
            label, icon = "Transcript", ":material/forum:"
        else:
            label, icon = "Print view", ":material/print:"
            address |= {"view": "print"}
        st.page_link("conversations/page.py", label=label, icon=icon, query_params=address)


def _seen(text: str, is_masked: bool) -> str:
    return masking.mask(text) if is_masked else text


def _facts(row: dict[str, Any], is_masked: bool) -> list[tuple[str, str]]:
    said = ", ".join(
        f"{formatting.count(row[f'{role}_message_count'])} {role}"
        for role in ("customer", "bot", "agent")
    )
    score = row["feedback_score"]
    contact = _seen(row["contact_id"] or formatting.UNKNOWN, is_masked)
    facts = [
        ("Channel", formatting.channel(row["channel"])),
        ("State", formatting.name(row["state"])),
        (f"Started ({row['reporting_zone']})", formatting.moment(row["started_at"])),
        ("Latest event", formatting.moment(row["latest_at"])),
        ("Contact", formatting.reveal(contact)),
        ("Messages", f"{formatting.count(row['message_count'])} ({said})"),
        ("Sessions", formatting.count(row["session_count"])),
        ("Handoffs", formatting.count(row["handoff_count"])),
        ("Feedback", formatting.UNKNOWN if score is None else f"{score:g}"),
    ]
    return [*facts, ("Test", "Yes, counted nowhere")] if row["is_test"] else facts


def _show_others(warehouse: Path, row: dict[str, Any], *, is_masked: bool) -> None:
    """Show the other conversations of the contact, if there are any."""
    if row["contact_id"] is None:
        return
    others = details.load_others(warehouse, row["contact_id"], row["conversation_id"])
    if not others.height:
        return
    matches = int(others["matches"][0])
    newest = f", the newest {others.height}" if matches > others.height else ""
    with st.expander(f"Other conversations of this contact ({formatting.count(matches)}{newest})"):
        listed = masking.mask_ids(others, ["conversation_id"]) if is_masked else others
        shown = listed.with_columns(
            texts(listed["channel"], formatting.channel),
            texts(listed["state"], formatting.name),
            link=texts(
                others["conversation_id"], lambda each: filters.link({"conversation": each})
            ),
        )
        st.dataframe(shown.select(*OTHERS), key="others", hide_index=True, column_config=OTHERS)
