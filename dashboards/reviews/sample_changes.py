"""What leaves a sample before its first review, and what takes its place."""

import streamlit as st

from dashboards import audit, formatting
from dashboards.conversations.data import load_all_conversations
from dashboards.reviews import connection
from dashboards.reviews.redraw import Redraw, draw_next, redraw_of
from dashboards.reviews.visit import Visit, say
from ingest.client import ItemProgress, SampleProgress


def show_removed(sample: SampleProgress, left: int) -> None:
    """Show the conversations that left the sample, and why. `left`: the number of those that it has now."""
    removed = len(sample.replaced)
    if not removed:
        return
    share = formatting.share(removed / (left + removed))
    st.caption(f"Taken out: {formatting.counted(removed, 'conversation')}, {share} of those drawn")
    for each in sample.replaced:
        by = formatting.quote(each.replaced_by or formatting.UNKNOWN)
        instead = f", replaced by {formatting.quote(each.replacement)}" if each.replacement else ""
        st.text(
            f"{formatting.quote(each.conversation_id)}{instead}, by {by}: {formatting.quote(each.reason)}"
        )


def show_form(visit: Visit, sample: SampleProgress, items: list[ItemProgress]) -> None:
    """Let the visitor replace a conversation that has no review, or take it out."""
    with st.expander(
        "Replace a conversation, or take it out of the sample", icon=":material/swap_horiz:"
    ):
        free = {each.conversation_id: each for each in items if not each.reviewers}
        if not free:
            st.text("Every conversation has a review; a reviewed one stays.")
            return
        _show_choice(visit, sample, items, free)


def _show_choice(
    visit: Visit, sample: SampleProgress, items: list[ItemProgress], free: dict[str, ItemProgress]
) -> None:
    chosen = st.selectbox(
        "Conversation without a review",
        list(free),
        format_func=formatting.quote,
        index=None,
        placeholder="Choose a conversation",
        key=f"taken out {sample.sample_id}",
    )
    reason = st.text_input(
        "Reason", key=f"reason taken out {sample.sample_id}", max_chars=2000,
        placeholder="Why it cannot be reviewed, such as: a test of our own",
    ).strip()  # fmt: skip
    redraw = redraw_of(sample.filters, sample.seed)
    is_incomplete = chosen is None or not reason
    with st.container(horizontal=True):
        is_replaced = st.button(
            "Replace it with the next one drawn",
            icon=":material/casino:",
            disabled=is_incomplete or redraw is None,
            help="The same filters and seed, on the record of today: the one that a larger sample would have had.",
        )
        is_removed = st.button("Take it out", icon=":material/remove:", disabled=is_incomplete)
    if redraw is None:
        st.caption("This sample does not say how it was drawn, so nothing can be drawn for it.")
    if chosen is None:
        return
    if is_replaced and redraw is not None:
        _replace(visit, sample, items, free[chosen], reason, redraw)
    if is_removed and _post(visit, sample, chosen, reason):
        say("The conversation is taken out of the sample; the reason is recorded.")
        st.rerun()


def _replace(
    visit: Visit,
    sample: SampleProgress,
    items: list[ItemProgress],
    item: ItemProgress,
    reason: str,
    redraw: Redraw,
) -> None:
    audit.record_search(redraw.scope.named | redraw.search.chosen)
    drawn = {each.conversation_id for each in items}
    drawn |= {each.conversation_id for each in sample.replaced}
    with st.spinner("Drawing …"):
        population = load_all_conversations(visit.warehouse, redraw.scope, redraw.search)
    replacement = draw_next(redraw, population, drawn, item.stratum)
    if replacement is None:
        st.info("No other conversation matches the filters of this sample. Take it out instead.")
    elif _post(visit, sample, item.conversation_id, reason, replacement):
        say("The conversation is replaced; the reason is recorded.")
        st.rerun()


def _post(
    visit: Visit,
    sample: SampleProgress,
    conversation_id: str,
    reason: str,
    replacement: str | None = None,
) -> bool:
    answer = connection.post(
        f"replace {sample.sample_id} {conversation_id} {reason} {replacement}",
        lambda client, event_id: client.replace_item(
            sample.sample_id,
            conversation_id,
            reason,
            replacement=replacement,
            replaced_by=visit.reviewer,
            event_id=event_id,
        ),
    )
    return answer is not None
