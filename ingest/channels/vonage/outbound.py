"""Messages to the Messages API. Source: developer.vonage.com/en/api/messages (version 1)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import jwt
import msgspec

from ingest.channels.account_values import api_url, newest_secret
from ingest.channels.answers import answer_fields, failure, is_success
from ingest.channels.base import (
    Account,
    Address,
    Answer,
    Choice,
    HttpRequest,
    Interpretation,
    OutboundMessage,
    Person,
    Sent,
    Unsendable,
)
from ingest.channels.basic_auth import basic_value
from ingest.channels.choices import choices_of, text_with_choices
from ingest.channels.fields import id_of, present, text_of
from ingest.channels.people import recipient
from ingest.channels.service_window import needs_template
from ingest.channels.text_split import split_text, utf16_units
from ingest.events.payloads import Attachment

API_URL = "https://api.nexmo.com"
MAX_TEXT = {"sms": 3_200, "whatsapp": 4_096, "viber": 1_000, "messenger": 640, "rcs": 3_072}
_LEAST_TEXT = 640
_MEDIA: Mapping[str, tuple[str, ...]] = {
    "viber": ("image",),
    "rcs": ("image", "video"),
}
"""Kinds of media that a channel takes besides `file`; all others take three."""

_ALL_MEDIA = ("image", "audio", "video")
_NAMES = {"viber": "viber_service"}
_MAX_REFERENCE = 100
_MAX_BUTTONS, _MAX_BUTTON_TITLE, _MAX_BUTTON_TEXT = 3, 20, 1_024
_TOKEN_SECONDS = 900
_OUTSIDE_WINDOW = "1340"


def render(
    message: OutboundMessage, person: Person, account: Account
) -> Sequence[HttpRequest] | Unsendable:
    """Return a request for each part of the text, and for each attachment."""
    to = recipient(person, account.channel)
    if to is None:
        return Unsendable("the person has no address on this channel")
    if needs_template(message, account) and not message.template:
        return Unsendable("WhatsApp needs a template after 24 hours", _OUTSIDE_WINDOW)
    if message.template is not None and not message.template.get("name"):
        return Unsendable("the template has no name")
    contents = list(_contents(message, account))
    if not contents:
        return Unsendable("the message has neither text nor media with a URL")
    try:
        authorization = _authorization(message, account)
    except (jwt.PyJWTError, ValueError, TypeError):
        return Unsendable("the private key of the application cannot be read")
    envelope = _envelope(message, to, account)
    return [_request({**envelope, **content}, authorization, account) for content in contents]


def interpret(answer: Answer) -> Interpretation:
    """Return what the Messages API answers: the UUID, or a problem whose type ends with Vonage's code."""
    fields = answer_fields(answer)
    if is_success(answer):
        return Sent(text_of(fields, "message_uuid"))
    kind = text_of(fields, "type") or ""
    return failure(answer, kind.partition("#")[2] or id_of(fields, "title"))


def _envelope(message: OutboundMessage, to: Address, account: Account) -> dict[str, Any]:
    reference = message.reference if len(message.reference) <= _MAX_REFERENCE else None
    url = account.options.get("webhook_url")
    quoted = message.in_reply_to if account.channel == "whatsapp" else None
    return present(
        to=to.value.removeprefix("+"),
        channel=_NAMES.get(account.channel, account.channel),
        client_ref=reference,
        webhook_url=url,
        webhook_version="v1" if url else None,
        context=present(message_uuid=quoted),
    ) | {"from": account.address.removeprefix("+")}


def _contents(message: OutboundMessage, account: Account) -> Iterator[dict[str, Any]]:
    """Yield a template, or the parts of the text and each attachment."""
    channel, is_empty = account.channel, not (message.text or message.attachments)
    if message.template and (is_empty or needs_template(message, account)):
        yield _template(message.template)
        return
    choices = choices_of(message)
    if channel == "whatsapp" and message.text and _fit_buttons(choices, message.text):
        yield _buttons(message.text, choices)
    else:
        yield from _texts(text_with_choices(message), channel)
    for attachment in message.attachments:
        if attachment.url:
            yield _media(attachment, attachment.url, channel)


def _texts(text: str, channel: str) -> Iterator[dict[str, Any]]:
    limit = MAX_TEXT.get(channel, _LEAST_TEXT)
    for part in split_text(text, limit, utf16_units) if text else ():
        yield {"message_type": "text", "text": part}


def _media(attachment: Attachment, url: str, channel: str) -> dict[str, Any]:
    main = (attachment.content_type or "").partition("/")[0]
    kind = main if main in _MEDIA.get(channel, _ALL_MEDIA) else "file"
    name = attachment.name if kind == "file" and channel == "whatsapp" else None
    content = {"message_type": kind, kind: present(url=url, name=name)}
    return content | {"channel": "mms"} if channel == "sms" else content


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template of WhatsApp: `name`, `parameters`, `locale` (`en`), `policy` (`deterministic`)."""
    return {
        "message_type": "template",
        "template": present(name=template.get("name"), parameters=template.get("parameters")),
        "whatsapp": {
            "policy": template.get("policy", "deterministic"),
            "locale": template.get("locale", "en"),
        },
    }


def _fit_buttons(choices: Sequence[Choice], text: str) -> bool:
    return (
        0 < len(choices) <= _MAX_BUTTONS
        and len(text) <= _MAX_BUTTON_TEXT
        and all(not each.url and len(each.title) <= _MAX_BUTTON_TITLE for each in choices)
    )


def _buttons(text: str, choices: Sequence[Choice]) -> dict[str, Any]:
    replies = [{"id": each.value or each.title, "title": each.title} for each in choices]
    interactive = {
        "type": "button",
        "body": {"text": text},
        "action": {"buttons": [{"type": "reply", "reply": each} for each in replies]},
    }
    return {"message_type": "custom", "custom": {"type": "interactive", "interactive": interactive}}


def _authorization(message: OutboundMessage, account: Account) -> str:
    """Return a token of the application, or key and secret if it has no private key. Raises PyJWT's errors."""
    key = newest_secret(account, "private_key")
    if not key:
        return basic_value(account.options.get("api_key", ""), newest_secret(account, "api_secret"))
    now = message.now // 1_000_000
    claims = {
        "application_id": account.options.get("application_id", ""),
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "jti": str(uuid5(NAMESPACE_URL, f"{message.reference}/{message.now}")),
    }
    return f"Bearer {jwt.encode(claims, key, algorithm='RS256')}"


def _request(body: Mapping[str, Any], authorization: str, account: Account) -> HttpRequest:
    return HttpRequest(
        url=f"{api_url(account, API_URL)}/v1/messages",
        headers=(("authorization", authorization), ("content-type", "application/json")),
        body=msgspec.json.encode(body),
    )
