"""The filters of a page: period, channels, search. Plain values, used as cache keys."""

from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, Literal

Grain = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Period:
    """Whole days in the reporting zone, both ends included."""

    first_on: date
    last_on: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last_on - self.first_on).days + 1

    @property
    def before(self) -> "Period":
        """Return the period of the same length right before."""
        length = timedelta(days=self.days)
        return Period(self.first_on - length, self.last_on - length)

    def last(self, days: int) -> "Period":
        """Return its last `days` days, or all of it if it is shorter."""
        return Period(max(self.first_on, self.last_on - timedelta(days=days - 1)), self.last_on)

    def within(self, whole: "Period") -> "Period | None":
        """Return the part within `whole`; None if there is none."""
        inside = Period(max(self.first_on, whole.first_on), min(self.last_on, whole.last_on))
        return inside if inside.first_on <= inside.last_on else None

    @property
    def grain(self) -> Grain:
        """Return the step that gives a chart of it about 10 to 60 points."""
        if self.days <= 62:
            return "day"
        return "week" if self.days <= 420 else "month"


@dataclass(frozen=True)
class Bounds:
    """The available periods, channels, bots and versions of bots. `period` is None if the record is empty."""

    period: Period | None
    channels: tuple[str, ...]
    reporting_zone: str
    bots: tuple[str, ...] = ()
    bot_versions: tuple[str, ...] = ()
    hours_zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """The chosen filters; no channel, no bot, and no version of the bot, means every one."""

    period: Period
    channels: tuple[str, ...] = ()
    bot_version: str | None = None
    bot_id: str | None = None

    @property
    def names_bot(self) -> bool:
        """Whether a bot, or a version of one, is chosen."""
        return self.bot_id is not None or self.bot_version is not None

    @property
    def named(self) -> dict[str, Any]:
        """Return the scope as values of JSON, for the record of who sees what."""
        period = {"from": f"{self.period.first_on}", "to": f"{self.period.last_on}"}
        channels = {"channels": list(self.channels)} if self.channels else {}
        version = {"bot_version": self.bot_version} if self.bot_version is not None else {}
        bot = {"bot_id": self.bot_id} if self.bot_id is not None else {}
        return period | channels | bot | version

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of queries that read a scope."""
        return {
            "first_on": self.period.first_on,
            "last_on": self.period.last_on,
            "channels": list(self.channels) or None,
            "bot_id": self.bot_id,
            "bot_version": self.bot_version,
        }


Sort = Literal["newest", "oldest", "longest_wait", "longest", "most_messages", "lowest_rating"]


@dataclass(frozen=True)
class Search:
    """The filters of the list of conversations, in addition to the scope.

    `is_active`: conversations whose first event is not after the period and whose last is not before it, instead of
    those that began in it. `rating`: positive, negative or none; positive as in the metric csat. `min_wait_seconds`: until
    an agent accepted, or until the handoff ended.
    `min_duration_seconds` and `max_duration_seconds` (not included): from the first to the latest event.
    The filters of a handoff (reason, queue, agent, outcome, wait) are of one and the same handoff.
    """

    state: str | None = None
    is_handed_off: bool | None = None
    text: str = ""
    with_tests: bool = False
    is_active: bool = False
    rating: str | None = None
    reason: str | None = None
    queue: str | None = None
    agent_id: str | None = None
    outcome: str | None = None
    min_wait_seconds: int | None = None
    min_duration_seconds: int | None = None
    max_duration_seconds: int | None = None
    bot_id: str | None = None
    bot_version: str | None = None
    sort: Sort = "newest"

    @property
    def chosen(self) -> dict[str, Any]:
        """Return the filters that are chosen, by name; the order is none."""
        default = Search()
        return {
            each.name: value
            for each in fields(self)
            if each.name != "sort"
            and (value := getattr(self, each.name)) != getattr(default, each.name)
        }

    @property
    def names_handoff(self) -> bool:
        """Whether a filter of a handoff is chosen."""
        asked = (self.reason, self.queue, self.agent_id, self.outcome, self.min_wait_seconds)
        return any(each is not None for each in asked)


@dataclass(frozen=True)
class Choices:
    """The values on record that the filters of the list offer."""

    reason: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    agent_id: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    bot_id: tuple[str, ...] = ()
    bot_version: tuple[str, ...] = ()
