"""Reviews of a sample: who submits them, who sees them, and what is replaced."""

from typing import Any

from tests.reviews.team import Team, problem


def test_only_who_holds_a_conversation_reviews_it(team: Team) -> None:
    team.draw(["c1", "c2"])
    team.claim("noor")
    not_held = (409, "review_item_not_held", "$.participant_id")
    assert problem(team.submit("omar", "c1")) == not_held
    assert problem(team.submit(None, "c1")) == not_held
    assert problem(team.submit("noor", "c2")) == not_held
    assert problem(team.submit("noor", "c3"))[:2] == (404, "unknown_review_item")
    assert problem(team.submit("noor", "c1", assignment_id="s9"))[:2] == (404, "unknown_sample")
    assert team.submit("noor", "c1").status_code == 201
    assert problem(team.submit("noor", "c1")) == not_held


def test_a_rejected_review_keeps_the_lock(team: Team) -> None:
    team.draw(["c1"])
    team.claim("noor")
    assert team.submit("noor", "c1", ratings={"accuracy": 1}).status_code == 422
    assert team.submit("noor", "c1").status_code == 201


def test_a_sample_is_reviewed_with_its_own_scorecard(team: Team) -> None:
    team.publish(version=2)
    team.draw(["c1"])
    team.claim("noor")
    for changes in ({"scorecard_version": 2}, {"scorecard": "sales"}):
        answer = team.submit("noor", "c1", **changes)
        assert problem(answer)[:2] == (409, "scorecard_mismatch")


def test_a_review_has_the_sampling_of_its_sample(team: Team) -> None:
    team.draw(["c1"], sampling="targeted", is_calibration=True)
    team.review_next("noor", sampling="random", inclusion_probability=1.0)
    (review,) = team.reviews()
    assert (review["sampling"], review["is_calibration"]) == ("targeted", True)
    assert review["inclusion_probability"] == 0.1


def test_others_reviews_are_hidden_until_the_own_one_is_submitted(team: Team) -> None:
    team.draw(["c1", "c2"], reviews_per_conversation=2)
    team.review_next("noor")
    team.review_next("noor")
    team.submit("lead", "c3", assignment_id=None)

    def seen(reviewer: str, **params: Any) -> list[tuple[str, str]]:
        found = team.reviews(reviewer=reviewer, **params)
        return [(each["conversation_id"], each["reviewer"]) for each in found]

    assert seen("noor") == [("c1", "noor"), ("c2", "noor"), ("c3", "lead")]
    assert seen("omar") == [("c3", "lead")]
    assert seen("omar", conversation_id="c1") == []
    team.review_next("omar")
    assert seen("omar", sample_id="s1") == [("c1", "noor"), ("c1", "omar")]
    assert len(team.reviews()) == 4


def test_a_review_in_another_sample_does_not_lift_the_blindness(team: Team) -> None:
    for sample_id in ("s2", "s1"):
        team.draw(["c1"], sample_id, reviews_per_conversation=2)
    team.review_next("noor")
    assert team.claim("omar", "s2") == "c1"
    team.submit("omar", "c1", assignment_id="s2")
    assert [each["reviewer"] for each in team.reviews(reviewer="omar")] == ["omar"]


def test_reviews_are_listed_in_pages_without_a_gap(team: Team) -> None:
    for number in range(7):
        team.submit(f"r{number}", f"c{number % 4 + 1}", assignment_id=None)
    pages: list[list[str]] = []
    cursor = None
    while cursor is not None or not pages:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = team.get("reviews", **params)
        pages.append([each["reviewer"] for each in page["items"]])
        cursor = page["cursor"]
    assert pages == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"]]
    answer = team.api.get("/v1/reviews", params={"cursor": "no cursor"})
    assert answer.json()["code"] == "invalid_request"


def replace(team: Team, conversation_id: str, **changes: Any) -> Any:
    replacement = {"sample_id": "s1", "conversation_id": conversation_id, "reason": "a test"}
    body = {"participant_id": "lead", "replacement": replacement | changes}
    return team.post("review-replacements", **body)


def test_a_replacement_takes_the_place_of_a_conversation_and_the_reason_is_kept(
    team: Team,
) -> None:
    team.draw(["c1", "c2"])
    assert team.claim("noor") == "c1"
    assert replace(team, "c1", replacement="c3").status_code == 201
    assert problem(team.submit("noor", "c1"))[1] == "unknown_review_item"
    assert team.claim("noor") == "c3"
    assert replace(team, "c2").status_code == 201
    sample = team.sample()
    assert (sample["item_count"], sample["locked_count"]) == (1, 1)
    assert [(each["conversation_id"], each["replacement"]) for each in sample["replaced"]] == [
        ("c1", "c3"),
        ("c2", None),
    ]
    assert {each["reason"] for each in sample["replaced"]} == {"a test"}
    (item,) = team.get("review-samples/s1/items")["items"]
    assert (item["conversation_id"], item["inclusion_probability"]) == ("c3", 0.1)


def test_a_reviewed_conversation_is_not_replaced(team: Team) -> None:
    team.draw(["c1", "c2"], reviews_per_conversation=2)
    team.review_next("noor")
    assert problem(replace(team, "c1"))[:2] == (409, "review_state")
    assert problem(replace(team, "c3"))[:2] == (404, "unknown_review_item")
    assert problem(replace(team, "c2", replacement="c1"))[0] == 422
    assert problem(replace(team, "c2", replacement="nowhere"))[1] == "unknown_conversation"
