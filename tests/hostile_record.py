"""A record with hostile text wherever a producer may put text: posted through the real API, sealed and loaded."""

from typing import Any

from tests.api_server import Installation
from tests.factories import Record
from tests.hostile_reviews import publish_scorecard, review
from tests.hostile_texts import hostile_id, hostile_texts

ALL = "all-texts"
"""Conversation with every text as a message, a tool call, a custom event and a rating."""


def build(installation: Installation, beacon: str) -> None:
    """Post everything, with rejected events and reviews; seal it and load it."""
    texts = hostile_texts(beacon)
    _post(installation, _all_in_one(texts))
    publish_scorecard(installation, texts)
    for number, text in enumerate(texts):
        _post(installation, _alone(number, text))
        review(installation, number, text, ALL, conversation_of(number, text))
    rejected = [{"event_type": text, "conversation_id": text, "text": text} for text in texts]
    installation.post("/v1/events", rejected)
    record = Record(installation.settings, installation.clock)
    record.seal()
    record.load()


def conversation_of(number: int, text: str) -> str:
    """The id of the conversation of one text; it is hostile too."""
    return f"{hostile_id(text)[:100]}~{number}"


def _post(installation: Installation, events: list[dict[str, Any]]) -> None:
    answer = installation.post("/v1/events", events)
    assert answer.status_code == 200, answer.text
    bad = [each for each in answer.json()["results"] if each["status"] != "accepted"]
    assert not bad, bad[0]


def _all_in_one(texts: list[str]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"event_type": "conversation.created", "channel": "web"}]
    for number, text in enumerate(texts):
        name = hostile_id(text)
        events += [
            {"event_type": "message.created", "message_id": f"m{number}", "text": text,
             "participant_id": name, "participant_role": "customer", "bot_version": name,
             "payload": {"attachments": [{"url": text, "name": text}], "nlu": {"intent": text}}},
            {"event_type": "message.failed", "message_id": f"m{number}", "payload": {"error_code": text}},
            {"event_type": "bot.tool_called", "participant_id": "bot", "participant_role": "bot",
             "payload": {"tool": text, "result": {text: text}}},
            {"event_type": "custom.hostile", "text": text, "payload": {text: text, "reason": text}},
            {"event_type": "feedback.submitted", "payload": {"score": 1, "scale": 5, "comment": text}},
        ]  # fmt: skip
    return [{"conversation_id": ALL} | event for event in events]


def _alone(number: int, text: str) -> list[dict[str, Any]]:
    name, handoff = hostile_id(text), {"handoff_id": f"h{number}"}
    agent = {"participant_id": name, "participant_role": "agent"}
    events: list[dict[str, Any]] = [
        {"event_type": "conversation.created", "channel": "web", "channel_account": name,
         "contact_id": name, "payload": {"subject": text, "labels": [text[:60]], "attributes": {text: text}}},
        {"event_type": "message.created", "participant_id": "ada", "participant_role": "customer", "text": text},
        {"event_type": "message.created", "participant_id": "bot", "participant_role": "bot",
         "bot_version": name, "text": text, "payload": {"nlu": {"intent": text, "is_fallback": True}}},
        {"event_type": "handoff.requested", **handoff, "queue": name, "payload": {"reason": text, "text": text}},
        {"event_type": "handoff.accepted", **handoff, **agent},
        {"event_type": "message.created", **agent, "text": text, "visibility": "internal"},
        {"event_type": "message.created", **agent, "text": text},
        {"event_type": "handoff.closed", **handoff, **agent, "payload": {"reason": text}},
        {"event_type": "conversation.resolved", "payload": {"reason": text}},
    ]  # fmt: skip
    return [{"conversation_id": conversation_of(number, text)} | event for event in events]
