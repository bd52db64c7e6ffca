"""Prints the size and the faults of a simulation, and every difference at the end."""

from collections.abc import Iterator

from convolake.simulation.comparison import Difference, Result
from convolake.simulation.plan import Plan
from convolake.simulation.schedule import Schedule

MAX_CHARACTERS = 300
"""Maximum length of a value in a printed difference."""


def lines_of_schedule(plan: Plan, schedule: Schedule) -> Iterator[str]:
    """Yield how much is simulated, and the faults in it."""
    calls = schedule.deliveries
    turns = [turn for conversation in plan for turn in conversation.turns]
    messages = sum(len(turn.messages) for turn in turns)
    yield f"{len(plan):,} customers, {messages:,} messages, {len(turns):,} answers: {len(calls):,} calls"
    hidden = sum(each.customer.hides_from is not None for each in plan)
    yield (
        f"faults: {sum(each.is_repeat for each in calls):,} calls repeated, "
        f"{schedule.reordered:,} groups out of order, {len(schedule.dropped):,} receipts lost, "
        f"{hidden:,} customers without a number"
    )


def lines_of_result(result: Result) -> Iterator[str]:
    """Yield every difference, and the total."""
    yield from map(_line, result.differences)
    yield f"{result.facts:,} facts compared with {result.source}: {len(result.differences):,} differences"


def _line(difference: Difference) -> str:
    expected, found = _value(difference.expected), _value(difference.found)
    return f"{difference.what}: expected {expected}, found {found}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
