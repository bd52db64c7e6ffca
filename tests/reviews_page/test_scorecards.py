"""Scorecards: a change is another version."""

from dashboards.reviews.scorecards import DEFAULT
from tests.review_desk import Desk, press, review_next


def test_a_changed_scorecard_is_the_next_version_and_samples_keep_theirs(drawn: Desk) -> None:
    app = drawn.open("lead", view="scorecards")
    assert next(each for each in app.button if each.label == "Publish version 2").disabled
    added = {
        "title": "Écoute & suivi", "weight": 1.0, "scale": 2, "allows_not_applicable": True, "criticality": "none",
    }  # fmt: skip
    app.session_state["editor service 1"] = {
        "edited_rows": {3: {"weight": 5.0}},
        "added_rows": [added],
        "deleted_rows": [4],
    }
    app.run()
    assert not app.exception, app.exception
    press(app, "Publish version 2")
    first, second = drawn.client.scorecards()
    assert first.categories == DEFAULT
    assert second.version == 2
    assert [each.id for each in second.categories] == [
        "understanding", "correctness", "resolution", "tone", "privacy", "ecoute_suivi",
    ]  # fmt: skip
    assert second.categories[3].weight == 5
    assert [each.scorecard_version for each in drawn.client.samples()] == [1]
    assert len(review_next(drawn).radio) == len(DEFAULT)
