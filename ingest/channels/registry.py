"""The providers. Adding one takes its module, a line here, and its test."""

from typing import cast

from ingest.channels.base import Call, Challenge, ChannelAdapter
from ingest.channels.line import adapter as line
from ingest.channels.mail import email_mime, mailgun, postmark, sendgrid
from ingest.channels.meta import instagram
from ingest.channels.meta.messenger import adapter as messenger
from ingest.channels.meta.whatsapp import adapter as whatsapp_cloud
from ingest.channels.name_lookup import NameLookup
from ingest.channels.slack import adapter as slack
from ingest.channels.standard_webhook import adapter as standard_webhook
from ingest.channels.telegram import adapter as telegram
from ingest.channels.twilio import adapter as twilio
from ingest.channels.vonage import adapter as vonage

ADAPTERS: dict[str, ChannelAdapter] = {
    each.provider: each
    for each in (
        whatsapp_cloud.ADAPTER,
        messenger.ADAPTER,
        instagram.ADAPTER,
        twilio.ADAPTER,
        vonage.ADAPTER,
        slack.ADAPTER,
        telegram.ADAPTER,
        line.ADAPTER,
        email_mime.ADAPTER,
        sendgrid.ADAPTER,
        mailgun.ADAPTER,
        postmark.ADAPTER,
        standard_webhook.ADAPTER,
    )
}  # fmt: skip
"""Every provider by its name in URLs and commands."""

THREADED_CHANNELS = frozenset({"email", "slack", "telegram"})
"""Channels where one person has several conversations at once, told apart by threads."""

MAX_BODY_BYTES = 1024 * 1024
"""Maximum bytes of a call, unless the adapter has `max_body_bytes`: mail has attachments in it."""

ACCEPTED = Challenge(200, b"")
"""The answer to a call that was taken, unless the adapter has `accepted`."""


def find_adapter(provider: str) -> ChannelAdapter | None:
    """Return the adapter of a provider, or None."""
    return ADAPTERS.get(provider)


def max_body_bytes(adapter: ChannelAdapter) -> int:
    """Return the maximum bytes of a call of this provider."""
    limit: int = getattr(adapter, "max_body_bytes", MAX_BODY_BYTES)
    return limit


def is_idempotent(adapter: ChannelAdapter) -> bool:
    """Return whether the provider takes a repeated request once: its requests carry a retry key."""
    found: bool = getattr(adapter, "is_idempotent", False)
    return found


def one_time_token(adapter: ChannelAdapter, call: Call) -> tuple[str, bytes] | None:
    """Return the token that the provider uses for this verified call alone, and a digest of what the call says.

    None if the provider's signature covers the body, or it has no tokens.
    """
    find = getattr(adapter, "one_time_token", None)
    found: tuple[str, bytes] | None = None if find is None else find(call)
    return found


def accepted_answer(adapter: ChannelAdapter) -> Challenge:
    """Return the answer to a call of this provider that was taken."""
    answer: Challenge = getattr(adapter, "accepted", ACCEPTED)
    return answer


def name_lookup(adapter: ChannelAdapter) -> NameLookup | None:
    """Return how the provider is asked for a person's name; None if its calls have the name, or nothing does."""
    return cast(NameLookup, adapter) if hasattr(adapter, "name_request") else None
