"""Meta's customer service window: when a free message is allowed, also through other providers.

Source: Meta, «Customer service windows».
"""

from ingest.channels.base import Account, OutboundMessage

WINDOW = 24 * 3_600 * 1_000_000
"""How long after the customer's last message a free message is allowed, microseconds."""


def is_in_window(message: OutboundMessage, window: int = WINDOW) -> bool:
    """Return whether the customer's last message is recent enough."""
    return message.last_inbound_at is not None and message.now - message.last_inbound_at < window


def needs_template(message: OutboundMessage, account: Account) -> bool:
    """Return whether WhatsApp takes no free text: the person has not written in the last 24 hours."""
    return account.channel == "whatsapp" and not is_in_window(message)
