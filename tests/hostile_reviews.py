"""Hostile text wherever a review may have text: scorecards, samples, replacements, reviews, disputes, resolutions."""

from collections.abc import Sequence
from typing import Any

from tests.api_server import Installation
from tests.hostile_texts import hostile_id

CARD = "hostile"
REPLACED = "to-replace"
"""The conversation that is replaced in every sample."""
MAX_CATEGORIES = 64
"""Categories of a scorecard; the server allows no more."""


def sample_of(number: int) -> str:
    """The id of the sample of one text."""
    return f"sample-{number}"


def publish_scorecard(installation: Installation, texts: Sequence[str]) -> None:
    """Publish a scorecard with one category a text: its title, its group and its cause.

    The last category has the causes of all further texts. Open REPLACED."""
    installation.post_events(
        [{"event_type": "conversation.created", "channel": "web", "conversation_id": REPLACED}]
    )
    last = MAX_CATEGORIES - 1
    causes = [[text[:60]] for text in texts[:last]] + [[text[:60] for text in texts[last:]]]
    categories = [
        {"id": f"t{number}", "title": text, "group": text[:60], "causes": causes[number]}
        for number, text in enumerate(texts[:MAX_CATEGORIES])
    ]
    card = {"name": CARD, "version": 1, "categories": categories}
    _post(installation, "/v1/scorecards", "scorecard", "lead", card)


def review(
    installation: Installation, number: int, text: str, conversation: str, alone: str
) -> None:
    """Draw a sample with this text, and replace, review, dispute and settle in it.

    `conversation` has the message `m{number}`; `alone` is another conversation.
    """
    reviewer = hostile_id(text)
    _draw(installation, number, text, [conversation, alone, REPLACED])
    away = {"sample_id": sample_of(number), "conversation_id": REPLACED, "reason": text}
    _post(installation, "/v1/review-replacements", "replacement", "lead", away)
    body = {
        "scorecard": CARD, "scorecard_version": 1, "ratings": _ratings(number), "reviewee": reviewer,
        "causes": {_category(number): [text[:60]]}, "comment": text, "tags": [text[:60]],
        "comments": [{"message_id": f"m{number}", "text": text, "start": 0, "end": 1}],
        "corrected_answers": [{"message_id": f"m{number}", "text": text}],
    }  # fmt: skip
    _claim(installation, number, reviewer)
    path = f"/v1/conversations/{conversation}"
    in_sample = body | {"assignment_id": sample_of(number)}
    for written in (in_sample, body):
        made = _post(installation, f"{path}/reviews", "review", reviewer, written)
        dispute = {"review_id": made, "reason": text, "category": _category(number)}
        _post(installation, f"{path}/review-disputes", "dispute", reviewer, dispute)
    settled = {"review_id": made, "outcome": "upheld", "reason": text}
    _post(installation, f"{path}/review-resolutions", "resolution", "lead", settled)


def _category(number: int) -> str:
    return f"t{min(number, MAX_CATEGORIES - 1)}"


def _ratings(number: int) -> dict[str, float]:
    ratings = {f"t{each}": 1.0 for each in range(MAX_CATEGORIES)}
    return ratings | {_category(number): 0.0}


def _draw(installation: Installation, number: int, text: str, conversations: list[str]) -> None:
    items = [
        {"conversation_id": each, "inclusion_probability": 0.5, "stratum": text[:60]}
        for each in conversations
    ]
    sample = {
        "sample_id": sample_of(number), "title": text, "scorecard": CARD, "scorecard_version": 1,
        "sampling": "stratified", "seed": 1, "population": 6, "items": items, "filters": {"q": text},
        "reviews_per_conversation": 1 + number % 2,
    }  # fmt: skip
    _post(installation, "/v1/review-samples", "sample", "lead", sample)


def _claim(installation: Installation, number: int, reviewer: str) -> None:
    path = f"/v1/review-samples/{sample_of(number)}/claims"
    answer = installation.post(path, {"reviewer": reviewer})
    assert answer.status_code == 200, answer.text


def _post(installation: Installation, path: str, name: str, who: str, body: dict[str, Any]) -> str:
    answer = installation.post(path, {"participant_id": who, name: body})
    assert answer.status_code == 201, (path, answer.text)
    return str(answer.json()["event_id"])
