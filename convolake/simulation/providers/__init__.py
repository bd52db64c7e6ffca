"""The providers that can be simulated, by the name of their channel."""

from convolake.simulation.providers.base import Provider
from convolake.simulation.providers.email import Email
from convolake.simulation.providers.messenger import Messenger
from convolake.simulation.providers.sms import Sms
from convolake.simulation.providers.telegram import Telegram
from convolake.simulation.providers.whatsapp import WhatsApp

PROVIDERS: dict[str, Provider] = {
    each.channel: each for each in (WhatsApp(), Sms(), Messenger(), Telegram(), Email())
}
