"""Which faults a provider can have. Pure."""

from convolake.simulation.plan import MIN_BOT_SECONDS, TURN_SECONDS, Size
from convolake.simulation.providers.base import Provider
from convolake.simulation.schedule import Faults


class ImpossibleFaultError(ValueError):
    """An option asks for what the provider cannot do; the message names the option."""


def check_faults(provider: Provider, size: Size, faults: Faults) -> None:
    """Raise ImpossibleFaultError if an option would change nothing, or if turns would overlap."""
    if size.hidden_numbers and not provider.can_hide_numbers:
        raise ImpossibleFaultError(
            f"--hidden-numbers: customers on {provider.channel} have no number that they can hide"
        )
    if faults.drop_receipts and not provider.statuses:
        raise ImpossibleFaultError(f"--drop-receipts: {provider.channel} reports no receipts")
    if not MIN_BOT_SECONDS <= size.bot_seconds <= TURN_SECONDS:
        raise ImpossibleFaultError(
            f"--slow-bot: give {MIN_BOT_SECONDS} to {TURN_SECONDS} seconds, which leaves time between messages"
        )
