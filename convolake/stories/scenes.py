"""A simulated support conversation: a demand, the bot, an agent if needed, a rating."""

from typing import Any

from convolake.stories.cast import BOT, pick_channel, release_on
from convolake.stories.handover import hand_over
from convolake.stories.script import Script

FALLBACK = "fallback"
"""The intent of a fallback answer."""

LANGUAGE_PENALTY = 1.6
"""Factor of fallback answers in other languages: the bot was trained in English first."""

SCORES = {
    "bot": (4, 5, 12, 34, 45),
    "returned": (26, 22, 22, 18, 12),
}
"""Weights of the scores 1 to 5 for the bot, for a first and for a reopened demand."""


def play(script: Script) -> None:
    """Write the whole conversation, from the first message to later reopens."""
    script.channel = script.person.channel if script.chance(0.85) else pick_channel(script.random)
    script.release = release_on(script.at.date(), script.random)
    script.pick_topic()
    _open(script)
    if script.topic.queue == "complaints":
        script.add("conversation.updated", payload={"priority": "high", "labels": ["complaint"]})
    solved_by = _demand(script)
    if script.chance(0.07):
        _return_later(script)
    elif solved_by is not None and script.chance(0.06):
        _reopen(script)
    elif solved_by is None and script.chance(0.25):
        script.pause(3600)
        script.close("no_answer")


def _open(script: Script) -> None:
    customer = script.customer()
    script.add(
        "conversation.created",
        channel=script.channel.name,
        channel_account=script.channel.account,
        contact_id=script.person.contact_id,
        payload={
            "participants": [customer, {"participant_id": BOT, "participant_role": "bot"}],
            "language": script.person.language.code,
            "subject": f"{script.topic.intent.replace('_', ' ').capitalize()}",
        },
        **({"is_test": True} if script.chance(0.01) else {}),
    )
    script.pause(1.5)
    if script.chance(0.15):
        known = {"attributes": {"is_verified": True}}
        script.add("participant.updated", **customer, payload=known)


def _demand(script: Script) -> str | None:
    """Play one demand. Return who solved it: "bot", "agent" or None."""
    reason = _handoff_reason(script)
    asked = script.add_customer_message(script.lines.openings)
    if reason == "not_understood" or script.chance(_fallback_rate(script)):
        asked = _add_fallback(script, asked)
    if reason == "not_understood":
        _add_fallback(script, asked)
        return hand_over(script, reason)
    for _ in range(script.random.choices((1, 2), (75, 25))[0]):
        _bot_turn(script, asked, script.lines.questions)
        if script.chance(0.07):
            _leave(script)
            return None
        script.customer_pause()
        asked = script.add_customer_message(script.lines.details)
    if reason is not None:
        return hand_over(script, reason)
    return _bot_solves(script, asked)


def _handoff_reason(script: Script) -> str | None:
    need = script.topic.handoff * script.channel.handoff * script.release.handoff
    if not script.chance(min(0.9, need)):
        return None
    if script.topic.queue == "complaints":
        return script.random.choice(("sensitive_topic", "customer_request"))
    reasons = ("not_understood", "customer_request", "needs_approval")
    return script.random.choices(reasons, (35, 40, 25))[0]


def _fallback_rate(script: Script) -> float:
    is_english = script.person.language.code == "en"
    return script.release.fallback * (1.0 if is_english else LANGUAGE_PENALTY)


def _bot_turn(
    script: Script, asked: str, choices: tuple[str, ...], intent: str | None = None
) -> dict[str, Any]:
    """Answer the message `asked` as the bot, with a tool call if the topic has one.

    Return the answer.
    """
    script.pause(1.1)
    if script.topic.tool and intent is None and script.chance(0.6):
        called = {"tool": script.topic.tool, "duration_ms": script.random.randrange(40, 900)}
        script.add("bot.tool_called", **script.bot(), visibility="internal", payload=called)
        script.pause(0.6)
    payload = {"nlu": _understanding(script, intent or script.topic.intent)}
    message = script.answer(script.bot(), choices, in_reply_to=asked, payload=payload)
    call = _model_call(script.random.randrange(180, 900), payload["nlu"])
    script.add(
        "bot.turn_completed",
        **script.bot(),
        caused_by=message["event_id"],
        visibility="internal",
        payload={"model_call": call},
    )
    script.give_receipts(message)
    return message


def _model_call(tokens: int, nlu: dict[str, Any]) -> dict[str, Any]:
    """Return the call behind an answer. Some go to a model of the bot's own, which has no price."""
    if tokens % 53 == 0:
        return {"model": "own-model", "tokens": tokens}
    model, price = ("support-large", 9e-6) if nlu["is_fallback"] else ("support-small", 2e-6)
    return {"model": model, "tokens": tokens, "cost": round(tokens * price, 6)}


def _understanding(script: Script, intent: str) -> dict[str, Any]:
    is_fallback = intent == FALLBACK
    confidence = script.random.betavariate(2, 5) if is_fallback else script.random.betavariate(9, 2)
    return {"intent": intent, "confidence": round(confidence, 3), "is_fallback": is_fallback}


def _add_fallback(script: Script, asked: str) -> str:
    """Play a fallback answer, after which the customer tries again. Return the new message_id."""
    if script.chance(0.05):
        failed = {"error": "model_timeout"}
        script.add("bot.turn_failed", **script.bot(), visibility="internal", payload=failed)
    _bot_turn(script, asked, script.person.language.phrases.fallbacks, FALLBACK)
    script.customer_pause(18)
    return script.add_customer_message(script.lines.openings)


def _bot_solves(script: Script, asked: str) -> str | None:
    phrases = script.person.language.phrases
    solution = _bot_turn(script, asked, script.lines.solutions)
    script.read_all()
    if script.chance(0.08):
        _leave(script)
        return None
    is_confirmed = script.chance(0.55)
    if is_confirmed:
        script.customer_pause()
        if script.chance(0.15):
            script.react(solution["message_id"])
        thanked = script.add_customer_message(phrases.thanks)
        _bot_turn(script, thanked, phrases.goodbyes, "thanks")
    script.pause(4)
    script.resolve("bot", is_confirmed)
    script.ask_for_rating(SCORES["bot"])
    return "bot"


def _leave(script: Script) -> None:
    """Let the customer leave without a message; only a web page reports it."""
    if script.channel.name == "web" and script.chance(0.7):
        script.customer_pause(60)
        script.add("participant.left", **script.customer(), payload={"reason": "page_closed"})


def _return_later(script: Script) -> None:
    """Let the same person write again hours later, about something else."""
    script.pause(6 * 3600, longest=4.0)
    script.release = release_on(script.at.date(), script.random)
    script.pick_topic()
    _demand(script)


def _reopen(script: Script) -> None:
    """Reopen the demand days later: it was not solved."""
    script.pause(1.5 * 86400, longest=3.0)
    script.release = release_on(script.at.date(), script.random)
    script.add("conversation.reopened", **script.customer())
    asked = script.add_customer_message(script.person.language.phrases.not_solved)
    if script.chance(0.45):
        hand_over(script, "customer_request")
        return
    _bot_turn(script, asked, script.lines.solutions)
    script.pause(30)
    script.resolve("bot", is_confirmed=False)
    script.ask_for_rating(SCORES["returned"])
