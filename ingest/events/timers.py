"""Timers: when sessions, states and handoffs expire. Durations and instants in microseconds.

Timers are derived from the state, so they survive a restart, fire once, and write their events with
the due time as `happened_at`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from msgspec import Struct

from ingest.contract import MICROSECOND
from ingest.events.conversation_state import Conversation
from ingest.events.types import WAITING
from ingest.settings import Settings

SESSION_RULE_VERSION = 2
"""1: any event kept a session open. 2: messages do, by the roles and channels of the settings."""

SETTLED_AFTER = 15 * 60 * 1_000_000
"""Time without events after which a backlog or an import counts as complete: 15 minutes."""


@dataclass(frozen=True)
class LifecyclePolicy:
    """The settings that a decision depends on. `session_timeouts` is by channel; "" is for all others."""

    session_timeouts: Mapping[str, int]
    session_roles: frozenset[str]
    session_max_duration: int
    session_inherits_attributes: bool
    inactive_after: int | None
    closed_after: int | None
    handoff_expires_after: int
    handoff_reasons: frozenset[str]
    parked_ttl: int
    agent_left_to: str
    agent_disconnected_after: int | None
    review_lock_expires_after: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "LifecyclePolicy":
        """Build the policy of an installation."""
        return cls(
            session_timeouts={
                channel: _micros(timeout) for channel, timeout in settings.session_timeouts.items()
            },
            session_roles=frozenset(settings.session_roles),
            session_max_duration=_micros(settings.session_max_duration),
            session_inherits_attributes=settings.session_inherits_attributes,
            inactive_after=_optional_micros(settings.inactive_after),
            closed_after=_optional_micros(settings.closed_after),
            handoff_expires_after=_micros(settings.handoff_expires_after),
            handoff_reasons=frozenset(settings.handoff_reasons),
            parked_ttl=_micros(settings.parked_ttl),
            agent_left_to=settings.agent_left_to,
            agent_disconnected_after=_optional_micros(settings.agent_disconnected_after),
            review_lock_expires_after=_micros(settings.review_lock_expires_after),
        )

    def session_timeout(self, channel: str) -> int:
        """Return how long a session of this channel stays open without a message."""
        timeout = self.session_timeouts.get(channel)
        return self.session_timeouts[""] if timeout is None else timeout


def _micros(duration: timedelta) -> int:
    return duration // MICROSECOND


def _optional_micros(duration: timedelta | None) -> int | None:
    return None if duration is None else _micros(duration)


class Timer(Struct, frozen=True, order=True):
    """An event that the server will write, its time and its reason."""

    at: int
    event_type: str
    reason: str


def next_timer(state: Conversation, policy: LifecyclePolicy) -> Timer | None:
    """Return the timer that fires next if no event arrives."""
    timers: list[Timer] = []
    if state.session_id is not None:
        timers.append(_session_timer(state, policy))
    if state.state == "active" and (after := state.inactive_after or policy.inactive_after):
        timers.append(
            Timer(_last_activity(state) + after, "conversation.state_changed", "inactive")
        )
    if state.state != "closed" and (after := state.closed_after or policy.closed_after):
        timers.append(Timer(_last_activity(state) + after, "conversation.state_changed", "closed"))
    if state.handoff is not None and state.handoff.status in WAITING:
        timers.append(
            Timer(state.handoff.since + policy.handoff_expires_after, "handoff.expired", "timeout")
        )
    after = policy.agent_disconnected_after
    if state.agent_disconnected_at is not None and after is not None:
        at = state.agent_disconnected_at + after
        timers.append(Timer(at, "control.released", "agent_disconnected"))
    return min(timers) if timers else None


def _session_timer(state: Conversation, policy: LifecyclePolicy) -> Timer:
    active_at = started_at = state.session_started_at
    for role, at in state.last_message_at.items():
        if at > active_at and role in policy.session_roles:
            active_at = at
    timeout_at = active_at + policy.session_timeout(state.channel)
    max_length_at = started_at + policy.session_max_duration
    if max_length_at < timeout_at:
        return Timer(max_length_at, "session.ended", "max_length")
    return Timer(timeout_at, "session.ended", "timeout")


def _last_activity(state: Conversation) -> int:
    """Return the last message of any role, or the last change of the state if that is later."""
    return max(state.created_at, state.last_edited_at, *state.last_message_at.values())


def next_check_at(state: Conversation) -> int | None:
    """Return when the server's clock has to check the conversation if no event arrives."""
    if state.next_timer_at is None:
        return None
    settled_at = state.received_at + SETTLED_AFTER
    return min(state.next_timer_at + clock_lag(state), max(state.next_timer_at, settled_at))


def conversation_time(state: Conversation, now: int) -> int:
    """Return the conversation's own time when the server's clock shows `now`.

    Imported history lags behind the server's clock, and its timers lag as much, because its next event
    may arrive with the next request. Once it has settled, its time is the server's.
    """
    return now if now >= state.received_at + SETTLED_AFTER else now - clock_lag(state)


def clock_lag(state: Conversation) -> int:
    """Return how far the newest event is behind the server's clock."""
    return max(0, state.received_at - state.latest_at)
