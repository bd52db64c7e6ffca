"""The plan of a simulation: who says what when, and how far each answer comes. Pure.

Everything depends on the seed, the size and the pace alone. The faults are added later, by `schedule`, so that the
plan says what has to be stored whatever goes wrong on the way.
"""

from collections.abc import Mapping
from random import Random
from typing import Literal, Protocol

from msgspec import Struct

from convolake.simulation.texts import text_of

Status = Literal["sent", "delivered", "read", "failed"]

STATES: Mapping[Status, str] = {
    "sent": "submitted",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
}
"""The state of a message after each status, the last ones last; its event is `message.<state>`."""

START = 1_788_768_000
"""The simulation begins on 7 September 2026 at 08:00 UTC; seconds since 1970."""

BOT_SECONDS = 5
MIN_BOT_SECONDS = 4
"""Seconds until the bot answers, and the minimum: messages that overtake each other still come before."""

TURN_SECONDS = 120
"""Seconds between two turns of a session, and the pause before its next turn."""

DAY = 86_400

RETURN_SECONDS = 6 * 3600
"""Seconds from the time-out of a session until the customer returns."""


class Channel(Protocol):
    """What the plan depends on of a provider."""

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses that it reports about a message, in order."""

    @property
    def session_seconds(self) -> int:
        """Time-out of a session on its channel, by default."""


class Customer(Struct, frozen=True):
    """A person with every id that a provider may know. `hides_from`: the first message without the phone number."""

    number: int
    name: str
    phone: str
    user_id: str
    hides_from: int | None

    @property
    def has_shown_number(self) -> bool:
        """Whether any call names the phone number."""
        return self.hides_from != 0


class Said(Struct, frozen=True):
    """What customer and bot say has in common. `key` names it in the plan, such as `3.1.2`; `at`: seconds since 1970."""

    key: str
    text: str
    at: int


class Message(Said, frozen=True):
    """A message of the customer. `shows_number`: whether its call names the phone number."""

    shows_number: bool


class Receipt(Struct, frozen=True):
    """What the provider reports about an answer."""

    status: Status
    at: int


class Answer(Said, frozen=True):
    """An answer of the bot. `names_reference`: the provider returns the reference of the send in its statuses."""

    names_reference: bool
    receipts: tuple[Receipt, ...]


class Turn(Struct, frozen=True):
    """Messages in a row and their answer. `session`: the first is 1."""

    session: int
    messages: tuple[Message, ...]
    answer: Answer


class Conversation(Struct, frozen=True):
    """All turns of one customer."""

    customer: Customer
    turns: tuple[Turn, ...]


class Size(Struct, frozen=True):
    """What the plan depends on, apart from the seed. `hidden_numbers` is a share."""

    conversations: int = 40
    bot_seconds: int = BOT_SECONDS
    hidden_numbers: float = 0.0


class Pace(Struct, frozen=True):
    """The times of a plan, in seconds. `first_customer`: the number of the first one, which all ids depend on."""

    start: int = START
    first_customer: int = 0
    arrival_seconds: int = 4
    """In which all customers begin."""

    turn_seconds: int = TURN_SECONDS
    receipt_seconds: range = range(2, 20)
    """From an answer to its receipts."""

    has_returns: bool = True
    """Whether some customers return after the time-out of a session."""


SIMULATED = Pace()

Plan = tuple[Conversation, ...]


def make_plan(seed: int, size: Size, channel: Channel, pace: Pace = SIMULATED) -> Plan:
    """Return the conversations on a channel."""
    return tuple(
        _conversation(Random(f"{seed}/plan/{place}"), place, size, channel, pace)  # noqa: S311
        for place in range(size.conversations)
    )


def _conversation(
    random: Random, place: int, size: Size, channel: Channel, pace: Pace
) -> Conversation:
    customer = _customer(random, pace.first_customer + place, size.hidden_numbers)
    sessions = 2 if random.random() < 0.4 and pace.has_returns else 1
    started = pace.start + random.randrange(pace.arrival_seconds)
    turns: list[Turn] = []
    for session in range(1, sessions + 1):
        for _ in range(random.choice((1, 1, 2))):
            writer = _Writer(random, customer, size, channel.statuses, pace, turns)
            turns.append(writer.turn(session, started))
            started += pace.turn_seconds + size.bot_seconds
        started += channel.session_seconds + RETURN_SECONDS
    return Conversation(customer, tuple(turns))


def _customer(random: Random, number: int, hidden_numbers: float) -> Customer:
    hides, hides_from = random.random() < hidden_numbers, random.choice((0, 0, 1, 2))
    return Customer(
        number=number,
        name=f"Customer {number}",
        phone=f"49151{10_000_000 + number}",
        user_id=str(7_000_000_000 + number),
        hides_from=hides_from if hides else None,
    )


class _Writer(Struct):
    """Writes one turn after those before it."""

    random: Random
    customer: Customer
    size: Size
    statuses: tuple[Status, ...]
    pace: Pace
    before: list[Turn]

    def turn(self, session: int, started: int) -> Turn:
        name = f"{self.customer.number}.{len(self.before) + 1}"
        said = sum(len(each.messages) for each in self.before)
        messages = tuple(
            self._message(f"{name}.{place + 1}", said + place, started + place)
            for place in range(self.random.choice((1, 2, 3)))
        )
        at = messages[-1].at + self.size.bot_seconds
        return Turn(session, messages, self._answer(f"{name}.bot", at))

    def _message(self, key: str, place: int, at: int) -> Message:
        hides_from = self.customer.hides_from
        shows = hides_from is None or place < hides_from
        return Message(key, text_of(self.random, key), at, shows)

    def _answer(self, key: str, at: int) -> Answer:
        return Answer(
            key=key,
            text=text_of(self.random, key),
            at=at,
            names_reference=self.random.random() < 0.5,
            receipts=self._receipts(at),
        )

    def _receipts(self, at: int) -> tuple[Receipt, ...]:
        """Return the receipts of an answer; one in twelve fails."""
        fails = self.random.random() < 1 / 12
        delays = sorted(self.random.sample(self.pace.receipt_seconds, 2))
        times: dict[Status, int] = {"sent": 0, "delivered": delays[0], "read": delays[1]}
        chosen: tuple[Status, ...] = ("sent", "failed") if fails else ("sent", "delivered", "read")
        return tuple(
            Receipt(status, at + times.get(status, delays[0]))
            for status in chosen
            if status in self.statuses
        )
