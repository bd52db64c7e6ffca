"""How control passes from the bot to a human, and how the handoff ends."""

from convolake.stories.cast import AGENTS, Agent
from convolake.stories.script import Script

SCORES = (6, 7, 13, 32, 42)
"""Weights of the scores 1 to 5 for agents."""


def hand_over(script: Script, reason: str) -> str | None:
    """Play a handoff that the bot requests. Return "agent" if an agent solved the demand."""
    phrases = script.person.language.phrases
    if reason == "customer_request":
        script.customer_pause(12)
        script.add_customer_message(phrases.wants_human)
    script.pause(1.0)
    message = script.answer(script.bot(), phrases.hands_over)
    script.handoffs += 1
    handoff = {
        "handoff_id": f"{script.conversation_id}-h{script.handoffs}",
        "queue": script.topic.queue,
    }
    script.add("handoff.requested", **script.bot(), **handoff, payload={"reason": reason})
    script.pause(0.3)
    script.add("handoff.queued", **handoff)
    script.give_receipts(message)
    is_staffed = script.at.weekday() < 5 and 7 <= script.at.hour < 20
    outcomes = ("accepted", "declined", "expired", "abandoned")
    weights = (88, 2, 3, 7) if is_staffed else (62, 4, 18, 16)
    return _HANDOFFS[script.random.choices(outcomes, weights)[0]](script, handoff)


def _accepted(script: Script, handoff: dict[str, str]) -> str | None:
    agent, colleague = script.random.sample(AGENTS, 2)
    _wait_in_queue(script)
    if script.chance(0.07):
        _offer(script, handoff, colleague, "handoff.declined")
        script.pause(20)
    _offer(script, handoff, agent, "handoff.accepted")
    script.add("participant.joined", **script.agent(agent))
    if script.chance(0.06):
        _transfer(script, handoff, agent, colleague)
        agent = colleague
    return _agent_talks(script, handoff, agent)


def _transfer(script: Script, handoff: dict[str, str], agent: Agent, colleague: Agent) -> None:
    """Transfer the handoff from one agent to another, who knows the topic better."""
    script.pause(30 * agent.pace)
    script.note(agent, f"{script.topic.queue}: please take over.")
    to = {"to_participant_id": colleague.participant_id}
    script.add("handoff.transferred", **script.agent(agent), **handoff, payload=to)
    script.pause(25 * colleague.pace)
    script.add("handoff.accepted", **script.agent(colleague), **handoff)
    script.add("participant.joined", **script.agent(colleague))
    script.add("participant.left", **script.agent(agent))


def _wait_in_queue(script: Script) -> None:
    """Return a wait of 20 seconds to 8 minutes, longer at noon when most people write."""
    before = script.at
    script.pause(85 if 11 <= script.at.hour < 15 else 55)
    seconds = (script.at - before).total_seconds()
    script.at += (before - script.at) * (1 - min(460.0, max(20.0, seconds)) / seconds)


def _offer(script: Script, handoff: dict[str, str], agent: Agent, answer: str) -> None:
    script.add("handoff.assigned", **script.agent(agent), **handoff)
    script.pause(3)
    script.add(answer, **script.agent(agent), **handoff)


def _agent_talks(script: Script, handoff: dict[str, str], agent: Agent) -> str | None:
    phrases = script.person.language.phrases
    who = script.agent(agent)
    script.pause(15 * agent.pace)
    script.add_staff_message(who, phrases.agent_hellos)
    for _ in range(script.random.choices((0, 1, 2, 3), (20, 40, 28, 12))[0]):
        script.pause(40 * agent.pace)
        script.add_staff_message(who, phrases.agent_checks)
        script.customer_pause()
        script.add_customer_message(phrases.answers)
    if script.chance(0.02):
        script.delete(script.answer(who, phrases.agent_checks))
    if script.chance(0.2):
        script.note(agent, f"Asked {script.topic.queue}, waiting for word.")
    script.pause(55 * agent.pace)
    solution = script.answer(who, script.lines.solutions)
    script.give_receipts(solution)
    if script.chance(0.04):
        script.correct(solution)
    script.read_all()
    if script.chance(0.08):
        script.pause(400)
        script.add("handoff.closed", **who, **handoff, payload={"reason": "customer_inactive"})
        return None
    return _agent_ends(script, handoff, agent)


def _agent_ends(script: Script, handoff: dict[str, str], agent: Agent) -> str:
    who = script.agent(agent)
    is_confirmed = script.chance(0.7)
    if is_confirmed:
        script.customer_pause()
        script.add_customer_message(script.person.language.phrases.thanks)
    script.pause(10 * agent.pace)
    is_returned = script.chance(0.15)
    script.add("handoff.returned" if is_returned else "handoff.closed", **who, **handoff)
    script.add("participant.left", **who)
    script.resolve("agent", is_confirmed, agent)
    script.ask_for_rating(SCORES, agent.kindness)
    return "agent"


def _declined(script: Script, handoff: dict[str, str]) -> None:
    _wait_in_queue(script)
    _offer(script, handoff, script.random.choice(AGENTS), "handoff.declined")
    script.pause(5)
    _back_to_bot(script, handoff)


def _expired(script: Script, handoff: dict[str, str]) -> None:
    script.pause(600, longest=2.0)
    script.add("handoff.expired", **handoff)
    script.pause(1)
    # No agent took control, so none returns it.
    script.add_staff_message(script.bot(), script.person.language.phrases.nobody_free)


def _back_to_bot(script: Script, handoff: dict[str, str]) -> None:
    script.add("handoff.returned", **handoff)
    script.add_staff_message(script.bot(), script.person.language.phrases.nobody_free)


def _abandoned(script: Script, handoff: dict[str, str]) -> None:
    script.customer_pause(70)
    script.add("participant.left", **script.customer(), payload={"reason": "gave_up_waiting"})
    script.pause(2)
    script.add("handoff.closed", **handoff, payload={"reason": "abandoned"})


_HANDOFFS = {
    "accepted": _accepted,
    "declined": _declined,
    "expired": _expired,
    "abandoned": _abandoned,
}
