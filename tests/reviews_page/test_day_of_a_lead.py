"""The day of a QA lead: find, draw, review, dispute, compare, export."""

from urllib.parse import parse_qsl

import pytest

from dashboards import formatting
from dashboards.reviews.agreement import measure_agreement
from dashboards.reviews.sampling import draw_random
from dashboards.reviews.scorecards import DEFAULT
from tests.dashboard_app import show_page
from tests.review_desk import FOUND, LOW_RATED, Desk, press, rate, said, score_shown

pytestmark = pytest.mark.long


def test_a_qa_lead_finds_draws_reviews_disputes_compares_and_exports(desk: Desk) -> None:
    # A scorecard, from nothing.
    lead = desk.open("lead", view="scorecards")
    assert "No scorecard is published yet" in said(lead)
    press(lead, "Publish the default scorecard")
    assert [each.name for each in desk.client.scorecards()] == ["service"]

    # Low-rated handoffs of last week.
    lead = desk.open("lead", **FOUND)
    assert f"Population: {LOW_RATED} conversations" in said(lead)
    assert "targeted" in said(lead)
    lead.number_input(key="size").set_value(20)
    lead.number_input(key="seed").set_value(7)
    lead.number_input(key="sample reviews").set_value(2)
    press(lead, "Draw the sample")
    [sample] = desk.client.samples()
    population = [f"low-{number:02}" for number in range(LOW_RATED)]
    assert desk.items(sample.sample_id) == [
        each.conversation_id for each in draw_random(population, 20, 7)
    ]
    assert (sample.population, sample.item_count, sample.seed) == (LOW_RATED, 20, 7)
    assert sample.sampling == "targeted"
    assert lead.query_params["sample"] == sample.sample_id
    assert "20 of 30 conversations" in said(lead)

    # Five reviews by each of two reviewers; the second is blind to the first.
    noor = press(desk.open("noor", sample=sample.sample_id), "Review next")
    for number in range(5):
        rate(noor, tone=number % 3)
        press(noor, "Submit and continue")
        assert f"{number + 1} of 40 reviews done" in said(noor)
    assert len(desk.reviews()) == 5
    hidden = desk.open("sam", view="reviews")
    assert "5 reviews by others hidden" in said(hidden)
    assert not hidden.dataframe
    sam = press(desk.open("sam", sample=sample.sample_id), "Review next")
    for _ in range(5):
        rate(sam)
        press(sam, "Submit and continue")
    assert "10 of 40 reviews done" in said(sam)
    reviews = desk.reviews()
    assert len(reviews) == 10

    # One review is disputed; its reviewer may not decide, another changes it.
    disputed = min(reviews, key=lambda each: each.score)
    mira = desk.open("mira", view="reviews", review=disputed.review_id)
    mira.text_area[0].set_value("The tone was right.").run()
    press(mira, "Dispute")
    own = desk.open("noor", view="reviews", review=disputed.review_id)
    assert "another person decides" in said(own)
    assert "Decide" not in [each.label for each in own.button]
    lead = desk.open("lead", view="reviews", review=disputed.review_id)
    lead.radio(key=f"decide {disputed.review_id}").set_value("changed").run()
    rate(lead)
    assert score_shown(lead) == "100.0"
    lead.text_area(key=f"decide {disputed.review_id} reason").set_value("The tone was right.").run()
    press(lead, "Decide")
    changed = next(each for each in desk.reviews() if each.review_id == disputed.review_id)
    assert (changed.status, changed.score, changed.first_score) == ("changed", 100, disputed.score)
    assert f"{disputed.score:.1f}" in said(lead)

    # Agreement, from the first ratings.
    lead = desk.open("lead", view="agreement", sample=sample.sample_id, category="tone")
    table = lead.dataframe[0].value
    row = table[table["category"].str.contains("Tone")].to_dict("records")[0]
    expected = measure_agreement([{"noor": number % 3 / 2, "sam": 1.0} for number in range(5)])
    assert (row["items"], row["reviewers"], row["differences"]) == (5, 2, 4)
    assert row["raw"] == "20.0 %"
    assert expected.kappa is not None
    assert row["kappa"] == f"{expected.kappa:.2f}"
    assert row["alpha"] == f"{expected.alpha:.2f}"
    assert row["balance"] == "Poor 2 · Fair 2 · Good 6"
    assert len([each for each in lead.button if each.label == "Open the review"]) == 8

    # The list, the files and the score have the same reviews.
    lead = desk.open("lead", view="reviews", sample=sample.sample_id)
    assert "1 to 10 of 10 reviews" in said(lead)
    assert len(lead.dataframe[0].value) == 10
    rows = {"reviews": 10, "ratings": 10 * len(DEFAULT), "disputes": 1}
    for name, count in rows.items():
        lead.button(key=f"make {name} csv").click().run()
        assert [each.label for each in lead.download_button] == [
            f"Save {name}.csv ({formatting.counted(count, 'row')})"
        ]
    exports = desk.events("transcript.exported")
    assert [(each["export"], each["row_count"]) for each in exports] == list(rows.items())
    scores = desk.open("lead", view="scores").dataframe[0].value.to_dict("records")
    assert [each["n"] for each in scores] == [5]
    assert "interval" not in scores[0] or scores[0]["interval"] == "–"


def test_every_step_of_the_list_leads_to_a_sample_of_what_is_shown(desk: Desk) -> None:
    desk.publish()
    app = show_page("conversations", handed_off="yes", rating="negative", from_="2026-11-16")
    [link] = [each for each in app.get("page_link") if "Draw a sample" in each.proto.label]
    address = dict(parse_qsl(link.proto.query_string))
    assert address["view"] == "draw"
    assert f"Population: {LOW_RATED} conversations" in said(desk.open("lead", **address))
