"""The cast of simulated conversations: channels, customers, agents, versions of the bot."""

from dataclasses import dataclass
from datetime import date
from random import Random

from convolake.stories.topics import Language
from convolake.stories.translations import LANGUAGES


@dataclass(frozen=True)
class Channel:
    """A channel. `pace` multiplies a customer's pauses, `handoff` the share of handoffs."""

    name: str
    account: str
    share: float
    pace: float
    handoff: float
    has_receipts: bool = False
    is_chatty: bool = True


CHANNELS = (
    Channel("web", "shop-web", 0.35, pace=1.0, handoff=1.0),
    Channel("whatsapp", "wa-support", 0.26, pace=1.6, handoff=0.9, has_receipts=True),
    Channel("email", "support@shop.example", 0.12, pace=30.0, handoff=1.35, is_chatty=False),
    Channel("messenger", "shop-page", 0.11, pace=1.8, handoff=0.95),
    Channel("sms", "sms-main", 0.09, pace=2.2, handoff=1.15, is_chatty=False),
    Channel("slack", "partner-space", 0.07, pace=2.5, handoff=1.25),
)

BOT = "bot"


@dataclass(frozen=True)
class Release:
    """A version of the bot; `handoff` and `fallback` are the shares of handoffs and of fallback answers."""

    version: str
    handoff: float
    fallback: float


FIRST_RELEASE_ON = date(2026, 8, 10)
RELEASE_DAYS = 21
CANARY_DAYS = 3
"""Time in which a new release answers half of the conversations only."""


def release_on(day: date, random: Random) -> Release:
    """Return the release that answers on `day`. Releases improve; every fourth one is a step back."""
    number, age = divmod((day - FIRST_RELEASE_ON).days, RELEASE_DAYS)
    if age < CANARY_DAYS and random.random() < 0.5:
        number -= 1
    number = max(number, 0)
    worse = 0.65 + 0.7 * 0.82**number + (0.12 if number % 4 == 3 else 0.0)
    major, minor = divmod(16 + number, 10)
    return Release(f"{major}.{minor}", handoff=worse, fallback=0.09 * worse)


@dataclass(frozen=True)
class Agent:
    """An agent; `pace` multiplies the pauses, `kindness` raises ratings."""

    name: str
    pace: float
    kindness: float

    @property
    def participant_id(self) -> str:
        """The participant fields of the customer."""
        return f"agent-{self.name}"


AGENTS = (
    Agent("mira", 0.8, 0.4),
    Agent("jonas", 1.1, 0.1),
    Agent("aisha", 0.9, 0.5),
    Agent("tomas", 1.4, -0.3),
    Agent("lena", 1.0, 0.2),
    Agent("kenji", 0.7, 0.0),
    Agent("sofia", 1.2, 0.3),
    Agent("daniel", 1.6, -0.1),
)

PERSONS = 2600
NAMES = (
    "Ana",
    "Bo",
    "Carla",
    "Dev",
    "Elif",
    "Finn",
    "Grace",
    "Hana",
    "Ivan",
    "June",
    "Kofi",
    "Lea",
)


@dataclass(frozen=True)
class Person:
    """A customer: always the same language, nearly always the same channel."""

    number: int
    name: str
    language: Language
    channel: Channel

    @property
    def contact_id(self) -> str:
        """The contact id."""
        return f"contact-{self.number:04d}"

    @property
    def participant_id(self) -> str:
        """The participant fields of the agent."""
        return f"customer-{self.number:04d}"


def pick_person(random: Random) -> Person:
    """Return a customer; low numbers write more often."""
    return person(int(PERSONS * random.random() ** 1.6))


def person(number: int) -> Person:
    """Return the customer with this number, the same one in every history."""
    own = Random(number)  # noqa: S311
    return Person(
        number,
        own.choice(NAMES),
        own.choices(LANGUAGES, [each.share for each in LANGUAGES])[0],
        pick_channel(own),
    )


def pick_channel(random: Random) -> Channel:
    """Return a channel, the busy ones more often."""
    return random.choices(CHANNELS, [each.share for each in CHANNELS])[0]
