"""Messages to Twilio's API. Source: twilio.com/docs/messaging/api/message-resource."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from ingest.channels.account_values import api_url, newest_secret
from ingest.channels.answers import answer_fields, failure, is_success
from ingest.channels.base import (
    Account,
    Answer,
    HttpRequest,
    Interpretation,
    OutboundMessage,
    Person,
    Sent,
    Unsendable,
)
from ingest.channels.basic_auth import basic_value
from ingest.channels.choices import text_with_choices
from ingest.channels.fields import FORM, id_of, text_of
from ingest.channels.people import recipient
from ingest.channels.service_window import needs_template
from ingest.channels.text_split import split_text, utf16_units

API_URL = "https://api.twilio.com"
MAX_TEXT = 1_600
REFERENCE = "reference"
"""Query parameter of the status callback: the reference of our send."""

_MAX_MEDIA = {"sms": 10}
"""Media of one message. Every other channel takes one."""

_PREFIXES = {"whatsapp": "whatsapp:", "rcs": "rcs:", "messenger": "messenger:"}
_RETRIED_CODES = {"14107", "20429", "30001", "30017", "30022", "63018"}
"""Codes of rate limits and full queues. Source: twilio.com/docs/api/errors."""

_OUTSIDE_WINDOW = "63016"

Form = list[tuple[str, str]]


def render(
    message: OutboundMessage, person: Person, account: Account
) -> Sequence[HttpRequest] | Unsendable:
    """Return a request for each part of a message. Outside its window, WhatsApp needs a template."""
    to = recipient(person, account.channel)
    if to is None:
        return Unsendable("the person has no address on this channel")
    if needs_template(message, account) and not message.template:
        return Unsendable("WhatsApp needs a template after 24 hours", _OUTSIDE_WINDOW)
    if message.template is not None and not message.template.get("content_sid"):
        return Unsendable("the template has no content_sid")
    contents = list(_contents(message, account))
    if not contents:
        return Unsendable("the message has neither text nor media with a URL")
    prefix = _PREFIXES.get(account.channel, "")
    envelope = [("To", prefix + to.value), _sender(account, prefix), *_callback(message, account)]
    return [_request([*envelope, *content], account) for content in contents]


def interpret(answer: Answer) -> Interpretation:
    """Return what the Messages resource answers: the SID, or an error with Twilio's code."""
    fields = answer_fields(answer)
    if is_success(answer):
        return Sent(text_of(fields, "sid"))
    code = id_of(fields, "code")
    return failure(answer, code, is_temporary=code in _RETRIED_CODES)


def _contents(message: OutboundMessage, account: Account) -> Iterator[Form]:
    """Yield the content of each part: a template, or the text's parts, the last with the first media."""
    text = text_with_choices(message)
    media = [each.url for each in message.attachments if each.url]
    if message.template and (needs_template(message, account) or not (text or media)):
        yield _template(message.template)
        return
    most = _MAX_MEDIA.get(account.channel, 1)
    groups = [media[start : start + most] for start in range(0, len(media), most)] or [[]]
    texts = split_text(text, MAX_TEXT, utf16_units) if text else []
    parts = [(each, list[str]()) for each in texts[:-1]]
    parts += [("".join(texts[-1:]), groups[0]), *(("", group) for group in groups[1:])]
    for body, urls in parts:
        if body or urls:
            yield [*([("Body", body)] if body else []), *(("MediaUrl", url) for url in urls)]


def _template(template: Mapping[str, Any]) -> Form:
    """Return a content template: `content_sid` and `variables`, a mapping of numbers or names to texts."""
    content = [("ContentSid", str(template["content_sid"]))]
    if template.get("variables"):
        content.append(("ContentVariables", msgspec.json.encode(template["variables"]).decode()))
    return content


def _sender(account: Account, prefix: str) -> tuple[str, str]:
    service = account.options.get("messaging_service_sid")
    if service:
        return "MessagingServiceSid", service
    return "From", prefix + account.address.removeprefix(prefix)


def _callback(message: OutboundMessage, account: Account) -> Form:
    """Return where Twilio reports the status; the reference in it settles a send without an answer."""
    url = account.options.get("webhook_url")
    if not url:
        return []
    mark = "&" if "?" in url else "?"
    return [("StatusCallback", f"{url}{mark}{urlencode({REFERENCE: message.reference})}")]


def _request(form: Form, account: Account) -> HttpRequest:
    sid = account.options.get("account_sid", "")
    path = f"/2010-04-01/Accounts/{quote(sid, safe='')}/Messages.json"
    return HttpRequest(
        url=api_url(account, API_URL) + path,
        headers=(
            ("authorization", basic_value(sid, newest_secret(account, "auth_token"))),
            ("content-type", FORM),
        ),
        body=urlencode(form).encode(),
    )
