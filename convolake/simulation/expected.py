"""What the warehouse has to hold after a simulation, from plan and schedule alone. Pure.

No code of the product reads, derives or normalises anything here: a fault there shows as a difference.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from convolake.simulation.moments import Moment, exactly
from convolake.simulation.parts import Part, index_of
from convolake.simulation.plan import (
    STATES,
    Answer,
    Conversation,
    Message,
    Plan,
    Said,
    Status,
    Turn,
)
from convolake.simulation.providers.base import Provider
from convolake.simulation.schedule import Schedule

Row = Mapping[str, object]
Rows = Mapping[str, Row]
"""Facts by what they are about, such as `message 3.1.2`."""


class Expectation(Struct, frozen=True):
    """Reads plan and schedule as the facts that must be stored. `arrivals`: when each call arrived first."""

    provider: Provider
    plan: Plan
    schedule: Schedule
    parts: Mapping[str, Part]
    arrivals: Mapping[tuple[str, Status | None], Moment]

    def rows(self) -> Rows:
        """Return every fact."""
        return dict(self._rows())

    def _rows(self) -> Iterator[tuple[str, Row]]:
        for conversation in self.plan:
            for turn in conversation.turns:
                for message in turn.messages:
                    yield f"message {message.key}", self._message(conversation, turn, message)
                yield f"message {turn.answer.key}", self._answer(conversation, turn)
            number = conversation.customer.number
            yield f"conversation of customer {number}", self._conversation(conversation)
            yield f"customer {number}", self._customer(conversation)
            yield from self._turns(conversation)
            yield from self._sessions(conversation)

    def _message(self, conversation: Conversation, turn: Turn, message: Message) -> Row:
        return {
            **self._common(conversation, turn, message, "customer"),
            "time": self._stored_at(message),
            "provider id": self.parts[message.key].provider_id,
            "contact of customer": conversation.customer.number,
        }

    def _answer(self, conversation: Conversation, turn: Turn) -> Row:
        answer = turn.answer
        stored = {each: self._receipt_at(conversation, answer, each) for each in STATES}
        came = [each for each in STATES if stored[each] is not None]
        failed = stored["failed"] is not None
        posted = self.arrivals[answer.key, None]
        return {
            **self._common(conversation, turn, answer, "bot"),
            "time": posted,
            "state": STATES[came[-1]] if came else "submitted",
            "submitted": posted,  # by the API itself, when the provider takes the message
            "delivered": stored["delivered"],
            "read": stored["read"],
            "failed": stored["failed"],
            "error code": self.provider.failure_code if failed else None,
            **{f"{STATES[each]} events": int(stored[each] is not None) for each in STATES},
            "submitted events": 1 + self._counts_sent(answer),
        }

    def _counts_sent(self, answer: Answer) -> bool:
        """Return whether the status `sent` is an event of its own: an echo is none after the answer to the send."""
        arrived = self.arrivals.get((answer.key, "sent"))
        if not self.provider.echoes:
            return arrived is not None
        return arrived == self.arrivals[answer.key, None] and answer.names_reference

    def _common(self, conversation: Conversation, turn: Turn, said: Said, role: str) -> Row:
        return {
            "text": said.text,
            "role": role,
            "channel": self.provider.channel,
            "conversation of customer": conversation.customer.number,
            "session": turn.session,
        }

    def _stored_at(self, message: Message) -> Moment:
        """Return the provider's time, or when the message arrived first if its calls have none."""
        return exactly(message.at) if self.provider.has_times else self.arrivals[message.key, None]

    def _receipt_at(
        self, conversation: Conversation, answer: Answer, status: Status
    ) -> Moment | None:
        """Return the time of the first call that gives an answer this status."""
        calls = [
            (self.arrivals[other.key, status], each.at)
            for other in self._reported_with(conversation, answer, status)
            for each in other.receipts
            if each.status == status and (other.key, status) not in self.schedule.dropped
        ]
        if not calls:
            return None
        arrived, said = min(calls)
        return exactly(said) if self.provider.has_times else arrived

    def _reported_with(
        self, conversation: Conversation, answer: Answer, status: Status
    ) -> list[Answer]:
        """Return the answers whose status holds for this one: its own, and later ones if it is a mark."""
        if status not in self.provider.marks:
            return [answer]
        return [turn.answer for turn in conversation.turns if turn.answer.at >= answer.at]

    def _in_order(self, conversation: Conversation) -> list[str]:
        """Return the keys of all messages in the order of their first arrival."""
        said: list[Said] = []
        for turn in conversation.turns:
            said += (*turn.messages, turn.answer)
        keys = (each.key for each in said)
        return sorted(keys, key=lambda key: self.arrivals[key, None])

    def _shows_number_late(self, conversation: Conversation) -> bool:
        """Return whether the number comes after a message without it: the participant then gets it as an address."""
        first = self._first(conversation.turns[0])
        is_shown = conversation.customer.has_shown_number and not first.shows_number
        return self.provider.can_hide_numbers and is_shown

    def _first(self, turn: Turn) -> Message:
        """Return the message of a turn that arrives first."""
        return min(turn.messages, key=lambda each: self.arrivals[each.key, None])

    def _conversation(self, conversation: Conversation) -> Row:
        order = self._in_order(conversation)
        return {
            "conversations": 1,
            "messages": len(order),
            "order": " ".join(order),
            "sessions": conversation.turns[-1].session,
            "other events": "participant.updated" if self._shows_number_late(conversation) else "",
        }

    def _customer(self, conversation: Conversation) -> Row:
        addresses = self.provider.addresses(conversation.customer)
        return {"contacts": 1, "addresses": " ".join(sorted(addresses))}

    def _turns(self, conversation: Conversation) -> Iterator[tuple[str, Row]]:
        for number, turn in enumerate(conversation.turns, 1):
            started = self._stored_at(self._first(turn))
            yield (
                f"turn {number} of customer {conversation.customer.number}",
                {
                    "start": started,
                    "customer's messages": len(turn.messages),
                    "latency of the bot": self.arrivals[turn.answer.key, None].since(started),
                },
            )

    def _sessions(self, conversation: Conversation) -> Iterator[tuple[str, Row]]:
        for number in range(1, conversation.turns[-1].session + 1):
            turns = [each for each in conversation.turns if each.session == number]
            yield (
                f"session {number} of customer {conversation.customer.number}",
                {
                    "start": self._stored_at(self._first(turns[0])),
                    "end": exactly(turns[-1].answer.at + self.provider.session_seconds),
                    "reason of the end": "timeout",
                    "messages": sum(len(each.messages) + 1 for each in turns),
                },
            )


def expect(
    provider: Provider, plan: Plan, schedule: Schedule, done: Mapping[int, float] | None = None
) -> Rows:
    """Return every fact that the warehouse has to hold.

    `done`: when the calls of each second were answered, if that took time.
    """
    parts, done = index_of(plan, provider), done or {}
    arrivals = {
        name: Moment(at, done.get(at, at)) for name, at in schedule.first_arrivals().items()
    }
    return Expectation(provider, plan, schedule, parts, arrivals).rows()
