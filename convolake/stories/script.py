"""Writes one simulated conversation: events with a clock that only moves forward."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid5

from convolake.stories.cast import BOT, Agent, Channel, Person, Release
from convolake.stories.topics import EMOJI, TOPICS, Lines, Topic
from ingest.contract import NAMESPACE

CITIES = ("Lyon", "Porto", "Leeds", "Graz", "Turin", "Malmö", "Ghent", "Kraków")
STREETS = ("12 Mill Lane", "Rosenweg 4", "7 Harbor Street", "Plaza Sol 19", "3 Orchard Road")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
PRODUCTS = (
    "kettle",
    "desk lamp",
    "rain jacket",
    "bread knife",
    "travel mug",
    "headset",
    "backpack",
)


class Script:
    """Writes the events of one conversation; the same arguments give the same events."""

    def __init__(
        self, conversation_id: str, opened_at: datetime, random: Random, person: Person
    ) -> None:
        """`random` is for this conversation only."""
        self.conversation_id = conversation_id
        self.at = opened_at
        self.random = random
        self.person = person
        self.events: list[dict[str, Any]] = []
        self.handoffs = 0
        self._messages = 0
        self._said: set[str] = set()
        self._details = self._invent_details()

    channel: Channel
    release: Release
    topic: Topic

    def chance(self, probability: float) -> bool:
        """Return whether something with this probability happens."""
        return self.random.random() < probability

    def pause(self, median: float, longest: float = 8.0) -> None:
        """Move the clock by about `median` seconds, at most `longest` times that."""
        self.at += timedelta(seconds=median * min(self.random.lognormvariate(0, 0.6), longest))

    def customer_pause(self, median: float = 25.0) -> None:
        """Move the clock by a customer's pause on this channel."""
        self.pause(median * self.channel.pace)

    def add(self, event_type: str, **columns: Any) -> dict[str, Any]:
        """Add an event at the current time."""
        name = f"simulated/{self.conversation_id}/{len(self.events)}"
        now = self.at.isoformat(timespec="microseconds")
        event = {
            "event_id": str(uuid5(NAMESPACE, name)),
            "event_type": event_type,
            "conversation_id": self.conversation_id,
            "occurred_at": now,
            "happened_at": now,
            **columns,
        }
        self.events.append(event)
        return event

    def customer(self) -> dict[str, str]:
        """Return the participant fields of the customer."""
        return {
            "participant_id": self.person.participant_id,
            "participant_role": "customer",
            "contact_id": self.person.contact_id,
        }

    def bot(self) -> dict[str, str]:
        """Return the participant fields of the bot, in this version."""
        return {
            "participant_id": BOT,
            "participant_role": "bot",
            "bot_version": self.release.version,
        }

    def agent(self, agent: Agent) -> dict[str, str]:
        """Return the participant fields of this agent."""
        return {"participant_id": agent.participant_id, "participant_role": "agent"}

    def add_customer_message(self, choices: tuple[str, ...]) -> str:
        """Add one of `choices` as a customer message, with typing errors. Return its message_id."""
        text = self._word(choices)
        if self.channel.is_chatty and self.chance(0.12):
            text += self.random.choice(EMOJI)
        return self._say(self.customer(), text)

    def add_staff_message(self, who: dict[str, str], choices: tuple[str, ...]) -> None:
        """Add one of `choices` as a message of the bot or an agent, with the channel's receipts."""
        self.give_receipts(self.answer(who, choices))

    def answer(
        self, who: dict[str, str], choices: tuple[str, ...], **columns: Any
    ) -> dict[str, Any]:
        """Add one of `choices` as a message of the bot or an agent; `give_receipts` adds its receipts later."""
        self._say(who, self._word(choices), **columns)
        return self.events[-1]

    def give_receipts(self, message: dict[str, Any]) -> None:
        """Add the receipts of one of our messages, with their delays."""
        if not self.channel.has_receipts:
            return
        message_id = message["message_id"]
        if self.chance(0.008):
            self.pause(5)
            self.add("message.failed", message_id=message_id, payload={"error_code": "131026"})
            return
        submitted = self.add("message.submitted", message_id=message_id)
        if self.chance(0.02):
            _move_before(submitted, message)
        self.pause(1.2)
        if self.chance(0.02):  # the channel tells the second thing first
            self.add("message.read", message_id=message_id)
            self.pause(0.4)
            self.add("message.delivered", message_id=message_id)
            return
        self.add("message.delivered", message_id=message_id)
        if self.chance(0.85):
            self.pause(9)
            self.add("message.read", message_id=message_id)

    def react(self, message_id: str) -> None:
        """Add a reaction of the customer to a helpful message."""
        reaction = {"reaction": self.random.choice(("👍", "❤️", "🙏"))}
        self.add("message.reacted", **self.customer(), message_id=message_id, payload=reaction)

    def correct(self, message: dict[str, Any]) -> None:
        """Add an edit: the sender corrects a slip."""
        who = {name: message[name] for name in ("participant_id", "participant_role")}
        self.pause(8)
        text = f"{message['text']} (corrected)"
        self.add("message.edited", **who, message_id=message["message_id"], text=text)

    def delete(self, message: dict[str, Any]) -> None:
        """Delete a message that went to the wrong conversation."""
        who = {name: message[name] for name in ("participant_id", "participant_role")}
        self.pause(6)
        reason = {"reason": "wrong_conversation"}
        self.add("message.deleted", **who, message_id=message["message_id"], payload=reason)

    def close(self, reason: str) -> None:
        """Close the conversation."""
        payload = {"to": "closed", "reason": reason}
        self.add("conversation.state_changed", **self.bot(), payload=payload)

    def note(self, agent: Agent, text: str) -> None:
        """Add an internal note for colleagues."""
        self._say(self.agent(agent), text, visibility="internal")

    def read_all(self) -> None:
        """Advance the customer's read horizon to the newest event, as a web page does."""
        if self.channel.name == "web":
            seen = {"sequence": len(self.events)}
            self.add("participant.read_advanced", **self.customer(), payload=seen)

    def resolve(self, by: str, is_confirmed: bool, agent: Agent | None = None) -> None:
        """Resolve the demand, by the bot or by `agent`."""
        who = self.agent(agent) if agent else self.bot()
        outcome = {"resolved_by": by, "is_confirmed": is_confirmed}
        self.add("conversation.resolved", **who, payload=outcome)

    def ask_for_rating(self, weights: tuple[int, ...], kindness: float = 0.0) -> None:
        """Request a rating, in most cases, and add the answer, in some; `weights` are those of the scores 1 to 5."""
        if not self.chance(0.7):
            return
        self.pause(2)
        self.add("feedback.requested", **self.bot(), payload={"kind": "csat"})
        if not self.chance(0.45):
            return
        self.customer_pause(40)
        score = self.random.choices((1, 2, 3, 4, 5), weights)[0]
        if self.chance(abs(kindness)):
            score = min(5, max(1, score + (1 if kindness > 0 else -1)))
        self.add("feedback.submitted", **self.customer(), payload={"kind": "csat", "score": score})

    @property
    def lines(self) -> Lines:
        """Return the topic's texts in the customer's language."""
        return self.person.language.lines[self.topic.intent]

    def pick_topic(self) -> None:
        """Choose a topic that the customer's language has, the frequent ones more often."""
        known = [each for each in TOPICS if each.intent in self.person.language.lines]
        self.topic = self.random.choices(known, [each.share for each in known])[0]

    def _say(self, who: dict[str, str], text: str, **columns: Any) -> str:
        self._messages += 1
        message_id = f"{self.conversation_id}-m{self._messages}"
        self.add("message.created", **who, message_id=message_id, text=text, **columns)
        return message_id

    def _word(self, choices: tuple[str, ...]) -> str:
        """Return one of `choices`, preferably one that this conversation does not have yet."""
        fresh = [each for each in choices if each not in self._said]
        template = self.random.choice(fresh or choices)
        self._said.add(template)
        return template.format_map(self._details)

    def _invent_details(self) -> dict[str, str]:
        random = self.random
        return {
            "order": f"{random.choice('ABKX')}-{random.randrange(10_000, 99_999)}",
            "amount": f"€{random.randrange(900, 18_000) / 100:.2f}",
            "city": random.choice(CITIES),
            "street": random.choice(STREETS),
            "day": random.choice(DAYS),
            "product": random.choice(PRODUCTS),
            "name": self.person.name,
        }


def _move_before(receipt: dict[str, Any], message: dict[str, Any]) -> None:
    """Move a receipt before its message: the channel's clock is ahead."""
    before = datetime.fromisoformat(message["happened_at"]) - timedelta(milliseconds=200)
    receipt["occurred_at"] = receipt["happened_at"] = before.isoformat(timespec="microseconds")
