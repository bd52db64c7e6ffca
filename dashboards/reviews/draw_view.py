"""Draw a sample: the filters of the conversations page, a method, a size, a seed and a scorecard."""

import secrets
from dataclasses import dataclass
from datetime import date

import msgspec
import streamlit as st

from dashboards import audit, filters, formatting
from dashboards.conversations import data as conversations
from dashboards.conversations import search_filters
from dashboards.filter_state import Scope, Search
from dashboards.reviews import connection, draw_plan, scorecards
from dashboards.reviews.draw_plan import MAX_ITEMS, METHODS, STRATA, Plan
from dashboards.reviews.sampling import Drawn, TooManyStrataError
from dashboards.reviews.visit import Visit, go, open_sample, say
from ingest.client import Sample, SampleItem, Scorecard

DEFAULT_SIZE = 20

MORE_METHODS = {key: label for key, label in METHODS.items() if key != "random"}
MORE_STRATA = {key: label for key, label in STRATA.items() if key != "channel"}
"""All but the default, which the URL does not name."""


@dataclass(frozen=True)
class Order:
    """What the form asks for, besides the plan."""

    title: str
    scorecard: Scorecard
    reviews_per_conversation: int
    is_calibration: bool
    due_on: date | None


def show(visit: Visit) -> None:
    """Show the filters, how many conversations match, and the form."""
    published = scorecards.newest(connection.load_scorecards())
    if not published:
        _show_no_scorecard()
        return
    scope = filters.choose_scope(visit.bounds, visit.whole)
    search = search_filters.choose_search(conversations.load_choices(visit.warehouse))
    if search.chosen:
        audit.record_search(scope.named | search.chosen)
    matches = conversations.load_conversations(visit.warehouse, scope, search, 1).matches
    if not matches:
        st.info("No conversation matches these filters. Widen the period or drop a filter.")
        return
    st.text(f"Population: {formatting.counted(matches, 'conversation')} that match these filters")
    plan = _choose_plan(matches)
    _explain(plan, search)
    order = _choose_order(published, plan, search)
    is_lonely = order.is_calibration and order.reviews_per_conversation == 1
    if is_lonely:
        st.caption("A calibration compares reviewers: it needs 2 or more reviews per conversation.")
    if st.button("Draw the sample", type="primary", icon=":material/casino:", disabled=is_lonely):
        _draw(visit, scope, search, plan, order)


def _show_no_scorecard() -> None:
    st.info(
        "**A sample needs a scorecard, and none is published yet.**  \n"
        "Publish the default one, or your own, under Scorecards.",
        icon=":material/checklist:",
    )
    st.button("Go to the scorecards", on_click=go, args=("scorecards",), type="primary")


def _choose_plan(matches: int) -> Plan:
    first, second, third, fourth = st.columns([3, 2, 1, 2], vertical_alignment="bottom")
    with first:
        method = filters.choose("Method", "method", MORE_METHODS, METHODS["random"]) or "random"
    by = "channel"
    if method == "stratified":
        with second:
            by = filters.choose("Groups", "groups", MORE_STRATA, STRATA["channel"]) or by
    most = min(matches, MAX_ITEMS)
    # Not `most`: the chosen size would be invalid when another filter makes the population smaller.
    size = third.number_input("Size", 1, MAX_ITEMS, DEFAULT_SIZE, key="size")
    seed = fourth.number_input(
        "Seed", 0, 2**31 - 1, _fresh_seed(), key="seed", help="The same seed draws the same sample."
    )
    if size > most:
        st.caption(f"Only {formatting.counted(most, 'conversation')} can be drawn.")
    return Plan(method, min(int(size), most), int(seed), by)


def _fresh_seed() -> int:
    """Return the seed that this session proposes; another one after each draw."""
    return int(st.session_state.setdefault("proposed seed", secrets.randbelow(1_000_000)))


def _explain(plan: Plan, search: Search) -> None:
    if draw_plan.sampling_of(plan, search) != "targeted":
        st.caption("Its mean score is an estimate for the whole population, with an interval.")
        return
    reasons = draw_plan.outcome_filters(search)
    if plan.method == "top":
        reasons.append("order of the list")
    st.caption(
        f"Recorded as a **targeted** sample, because it is chosen by how the conversations went ({', '.join(reasons)}). "
        "Its score describes these conversations only, and is never mixed into the mean of random samples."
    )


def _choose_order(published: dict[str, Scorecard], plan: Plan, search: Search) -> Order:
    first, second, third, fourth = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    kind = draw_plan.sampling_of(plan, search).capitalize()
    title = first.text_input(
        "Title", placeholder=f"{kind} sample of {plan.size}", max_chars=200, key="sample title"
    )
    name = second.selectbox(
        "Scorecard",
        list(published),
        format_func=lambda each: f"{formatting.quote(each)}, version {published[each].version}",
        key="sample scorecard",
    )
    reviews = third.number_input(
        "Reviews per conversation", 1, 20, 1, key="sample reviews",
        help="2 or more: blind reviews, from which the agreement is computed.",
    )  # fmt: skip
    due_on = fourth.date_input("Due", None, format="YYYY-MM-DD", key="sample due")
    is_calibration = st.toggle(
        "Calibration: for comparing reviewers, counted in no score", key="sample calibration"
    )
    return Order(
        title.strip() or f"{kind} sample of {plan.size}",
        published[name],
        int(reviews),
        is_calibration,
        due_on,
    )


def _draw(visit: Visit, scope: Scope, search: Search, plan: Plan, order: Order) -> None:
    with st.spinner("Drawing …"):
        population = conversations.load_all_conversations(visit.warehouse, scope, search)
    try:
        drawn = draw_plan.draw(population, plan)
    except TooManyStrataError as error:
        st.error(
            f"There are {error.strata} groups, so a stratified sample needs at least {error.strata} conversations."
        )
        return
    sample = _sample(scope, search, plan, order, population.height, drawn)
    answer = connection.post(
        "sample",
        lambda client, event_id: client.draw_sample(
            msgspec.structs.replace(sample, sample_id=event_id),
            drawn_by=visit.reviewer,
            event_id=event_id,
        ),
    )
    if answer is not None and answer.event_id is not None:
        st.session_state.pop("proposed seed", None)
        say(f"The sample is drawn: {len(drawn):,} of {population.height:,} conversations.")
        open_sample(answer.event_id)


def _sample(
    scope: Scope, search: Search, plan: Plan, order: Order, population: int, drawn: list[Drawn]
) -> Sample:
    """Return the sample for the record; its id is that of its event, and comes with it."""
    items = [
        SampleItem(
            conversation_id=each.conversation_id,
            inclusion_probability=each.inclusion_probability,
            stratum=each.stratum,
        )
        for each in drawn
    ]
    return Sample(
        sample_id="",
        title=order.title,
        scorecard=order.scorecard.name,
        scorecard_version=order.scorecard.version,
        sampling=draw_plan.sampling_of(plan, search),
        seed=plan.seed,
        population=population,
        filters=draw_plan.filters_of(scope, search, plan),
        reviews_per_conversation=order.reviews_per_conversation,
        is_calibration=order.is_calibration,
        due_on=order.due_on,
        items=items,
    )
