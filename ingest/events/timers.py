"""When sessions, states and handoffs run out. Spans in microseconds, instants too.

Timers are derived from the state, so they survive a restart, fire once, and catch up with the
due time as `happened_at`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from ingest.contract import MICROSECOND
from ingest.events.conversation_state import Conversation
from ingest.settings import Settings

SESSION_RULE_VERSION = 2
"""1: any event kept a session alive. 2: messages do, by the roles and channels of the settings."""

WAITING_STATUSES = ("requested", "queued", "assigned")


@dataclass(frozen=True)
class LifecyclePolicy:
    """The settings that decide at commit. `session_timeouts` is by channel, "" for all others."""

    session_timeouts: Mapping[str, int]
    session_roles: frozenset[str]
    session_max_duration: int
    session_inherits_attributes: bool
    inactive_after: int | None
    closed_after: int | None
    handoff_expires_after: int
    handoff_reasons: frozenset[str]
    parked_ttl: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "LifecyclePolicy":
        """The rules that these settings mean."""
        return cls(
            session_timeouts={
                channel: _micros(span) for channel, span in settings.session_timeouts.items()
            },
            session_roles=frozenset(settings.session_roles),
            session_max_duration=_micros(settings.session_max_duration),
            session_inherits_attributes=settings.session_inherits_attributes,
            inactive_after=_optional(settings.inactive_after),
            closed_after=_optional(settings.closed_after),
            handoff_expires_after=_micros(settings.handoff_expires_after),
            handoff_reasons=frozenset(settings.handoff_reasons),
            parked_ttl=_micros(settings.parked_ttl),
        )

    def session_timeout(self, channel: str) -> int:
        """How long a session of this channel lasts without a message."""
        found = self.session_timeouts.get(channel)
        return self.session_timeouts[""] if found is None else found


def _micros(span: timedelta) -> int:
    return span // MICROSECOND


def _optional(span: timedelta | None) -> int | None:
    return None if span is None else _micros(span)


class Timer(NamedTuple):
    """Something that happens by itself: when, what, and why."""

    at: int
    event_type: str
    reason: str


def next_timer(state: Conversation, rules: LifecyclePolicy) -> Timer | None:
    """What happens next if nobody does anything."""
    times: list[Timer] = []
    if state.session_id is not None:
        times.append(_session(state, rules))
    if state.state == "active" and (after := state.inactive_after or rules.inactive_after):
        times.append(Timer(_spoke_at(state) + after, "conversation.state_changed", "inactive"))
    if state.state != "closed" and (after := state.closed_after or rules.closed_after):
        times.append(Timer(_spoke_at(state) + after, "conversation.state_changed", "closed"))
    if state.handoff is not None and state.handoff.status in WAITING_STATUSES:
        times.append(
            Timer(state.handoff.since + rules.handoff_expires_after, "handoff.expired", "timeout")
        )
    return min(times, default=None)


def _session(state: Conversation, rules: LifecyclePolicy) -> Timer:
    alive_at = started_at = state.session_started_at
    for role, at in state.last_message_at.items():
        if at > alive_at and role in rules.session_roles:
            alive_at = at
    timeout = alive_at + rules.session_timeout(state.channel)
    longest = started_at + rules.session_max_duration
    if longest < timeout:
        return Timer(longest, "session.ended", "max_length")
    return Timer(timeout, "session.ended", "timeout")


def _spoke_at(state: Conversation) -> int:
    """The last communication, whoever spoke; or when somebody set the state since."""
    return max(state.created_at, state.last_edited_at, *state.last_message_at.values())


SETTLED_AFTER = 15 * 60 * 1_000_000
"""When nothing came for so long of our clock, a backlog or an import is taken to be all there."""


def next_check_at(state: Conversation) -> int | None:
    """When our clock has to look at the conversation, if nothing comes."""
    if state.next_timer_at is None:
        return None
    settled_at = state.received_at + SETTLED_AFTER
    return min(state.next_timer_at + clock_lag(state), max(state.next_timer_at, settled_at))


def conversation_time(state: Conversation, now: int) -> int:
    """What time it is in the conversation at `now` of our clock.

    Imported history is behind our clock by its lag, and its timers run as late, for its next event
    may come with the next request. Once it has settled its time is ours: all that was due is.
    """
    return now if now >= state.received_at + SETTLED_AFTER else now - clock_lag(state)


def clock_lag(state: Conversation) -> int:
    """How far what came last is behind our clock."""
    return max(0, state.received_at - state.latest_at)
