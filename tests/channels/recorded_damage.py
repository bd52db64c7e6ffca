"""The damage of recorded files that are no calls, and the reason that the API has to name for each kind."""

from collections.abc import Callable
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any

from tests.channels.recorded_readings import read_content

NOT_JSON = "the body is not JSON"
NO_META = "not a webhook of Meta: `object` and `entry` are missing"
NO_UPDATE = "no update_id: this is not an update"
NO_UUID = "the message has no message_uuid"
NO_VONAGE = "the body is neither a message nor a status"
NO_PLACE = "a message without its channel or timestamp"
NO_MAIL = "the body has none of the headers of a mail"

MAIL_HEADERS = {"from", "to", "date", "subject", "message-id", "received", "mime-version"}


def expected_reason(provider: str, raw: bytes) -> str | None:
    """Return the reason for which a body has to be rejected; None if it has to be taken."""
    if provider == "email":
        names = BytesHeaderParser(policy=compat32).parsebytes(raw).keys()
        return None if MAIL_HEADERS & {each.lower() for each in names} else NO_MAIL
    check = CHECKS.get(provider)
    if check is None:
        return None
    try:
        return check(read_content(raw))
    except ValueError:
        return NOT_JSON


def _meta(body: Any) -> str | None:
    is_webhook = isinstance(body, dict) and {"object", "entry"} <= set(body)
    return None if is_webhook else NO_META


def _telegram(body: Any) -> str | None:
    return None if "update_id" in body else NO_UPDATE


def _vonage(body: Any) -> str | None:
    if {"message_uuid", "messageId"} & set(body):
        return None
    return NO_UUID if {"message_type", "from"} <= set(body) else NO_VONAGE


def _slack(body: Any) -> str | None:
    event = body.get("event", {})
    is_message = event.get("type") in ("message", "app_mention")
    return NO_PLACE if is_message and not {"channel", "ts"} <= set(event) else None


CHECKS: dict[str, Callable[[Any], str | None]] = {
    "whatsapp_cloud": _meta,
    "messenger": _meta,
    "instagram": _meta,
    "telegram": _telegram,
    "vonage": _vonage,
    "slack": _slack,
}
