"""The bot of the demo's web chat: a minimal bot."""

import re
from collections.abc import Iterator
from typing import Any

from ingest.client import Client, Conversation, ProblemError

GREETING = "Hello! I am the demo's assistant. Ask me about an order, or for a person."
CHOICES = [{"title": "Where is my order?"}, {"title": "I want a person"}]
VERSION = "demo-1"


def serve(client: Client, bot: str) -> None:
    """Answer every customer of the web chat as `bot`, without end."""
    client.wait_until_ready()
    for event in client.listen():
        if is_for_us(event):
            answer(client, bot, event)


def is_for_us(event: dict[str, Any]) -> bool:
    """Return whether a customer of the web chat wrote a message, or joined."""
    new = ("conversation.created", "chat"), ("message.created", "chat~user")
    return (event["event_type"], event["source"]) in new


def answer(client: Client, bot: str, event: dict[str, Any]) -> None:
    """Post a message while the bot has control. Safe to repeat: its id is derived from the event's."""
    control = event["control"]
    if control["owner"] != "bot":
        return
    text = event.get("text")
    reply, choices = (GREETING, CHOICES) if text is None else reply_to(text)
    try:
        client.post_message(
            event["conversation_id"],
            bot,
            reply,
            event_id=f"answer-{event['event_id']}",
            in_reply_to=event.get("message_id"),
            bot_version=VERSION,
            control_epoch=control["epoch"],
            payload={"quick_replies": choices} if choices else None,
        )
    except ProblemError as problem:
        if problem.code not in ("stale_epoch", "not_in_control"):  # a person was faster
            raise
    if text is not None and requests_human(text):
        conversation = client.conversation(event["conversation_id"])
        list(client.record(hand_off(conversation, event["event_id"])))


def requests_human(text: str) -> bool:
    """Return whether the customer asks for a human."""
    return any(word in text.lower() for word in ("person", "human", "agent", "someone"))


def reply_to(text: str) -> tuple[str, list[dict[str, str]]]:
    """Return the reply, and the choices to offer."""
    if requests_human(text):
        return "I have asked a person to help. This is on the record.", []
    if number := re.search(r"[0-9]+", text):
        return f"Order {number.group()} is on its way and comes tomorrow.", CHOICES[1:]
    if "order" in text.lower():
        return "Which number does your order have?", []
    return "I answer questions about orders only. Which number does your order have?", CHOICES


def hand_off(conversation: Conversation, event_id: str) -> Iterator[dict[str, Any]]:
    """Request a human, once."""
    if conversation.handoff is None:
        yield {
            "event_type": "handoff.requested",
            "event_id": f"handoff-{event_id}",
            "handoff_id": f"handoff-{event_id}",
            "conversation_id": conversation.conversation_id,
            "queue": "support",
            "payload": {"reason": "customer_asked"},
        }
