"""Messages to Slack: `chat.postMessage`.

https://docs.slack.dev/reference/methods/chat.postMessage
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ingest.channels.account_values import api_url, newest_secret
from ingest.channels.answers import answer_fields, failure, is_success, retry_after
from ingest.channels.base import (
    Account,
    Answer,
    Choice,
    HttpRequest,
    Interpretation,
    OutboundMessage,
    Person,
    Rejected,
    Retry,
    Sent,
    Unknown,
    Unsendable,
)
from ingest.channels.choices import choices_of
from ingest.channels.fields import text_of
from ingest.channels.slack.fields import REFERENCE_TYPE, escaped
from ingest.channels.text_split import split_text
from ingest.events.payloads import Attachment

API_URL = "https://slack.com/api"
MAX_TEXT = 4_000
"""Characters of a message that Slack recommends; it cuts what is longer than 40,000."""
MAX_SECTION = 3_000
MAX_BUTTONS = 25
MAX_BUTTON_TITLE = 75
MAX_BUTTON_VALUE = 2_000
MAX_IMAGES = 40
MAX_IMAGE_URL = 3_000
MAX_ALTERNATIVE = 2_000

_ESCAPED_SIZE = {"&": 5, "<": 4, ">": 4}
_THREAD = re.compile(r"([A-Z][A-Z0-9]{1,30})(?::([0-9]{1,10}\.[0-9]{1,6}))?", re.ASCII)
_MESSAGE = re.compile(r"([A-Z][A-Z0-9]{1,30})/([0-9]{1,10}\.[0-9]{1,6})", re.ASCII)
_TRANSIENT = {
    "ratelimited",
    "rate_limited",
    "service_unavailable",
    "team_added_to_org",
    "request_timeout",
}
_NO_ACCESS = {
    "account_inactive",
    "invalid_auth",
    "not_authed",
    "token_expired",
    "token_revoked",
}
"""Errors that a new token repairs, so the message waits for it."""

_UNCERTAIN = {"internal_error", "fatal_error"}


def escaped_size(character: str) -> int:
    """Count a character as Slack receives it."""
    return _ESCAPED_SIZE.get(character, 1)


def render(
    message: OutboundMessage, person: Person, account: Account
) -> Sequence[HttpRequest] | Unsendable:
    """Return the requests, one for each part of the text; the last one has the buttons."""
    place = _place(message, person)
    token = newest_secret(account, "bot_token")
    if not token:
        return Unsendable("the account has no bot_token")
    if place is None:
        return Unsendable("neither a channel nor a Slack user to send to", "channel_not_found")
    if any(each.url is None for each in message.attachments):
        return Unsendable("an attachment has no URL")
    contents = _contents(message)
    if isinstance(contents, Unsendable):
        return contents
    metadata = {
        "event_type": REFERENCE_TYPE,
        "event_payload": {"reference": message.reference},
    }
    url = f"{api_url(account, API_URL)}/chat.postMessage"
    return [_request(url, token, {**place, **each, "metadata": metadata}) for each in contents]


def _request(url: str, token: str, fields: Mapping[str, Any]) -> HttpRequest:
    return HttpRequest(
        url=url,
        headers=(
            ("authorization", f"Bearer {token}"),
            ("content-type", "application/json; charset=utf-8"),
        ),
        body=msgspec.json.encode(fields),
    )


def _place(message: OutboundMessage, person: Person) -> dict[str, str] | None:
    """Return the channel and the thread: of the answered message, the conversation or the person.

    A reply has to name the root of its thread, so the key of a thread comes before the id of a message.
    """
    answered = _MESSAGE.fullmatch(message.in_reply_to or "")
    if answered and ":".join(answered.groups()) in message.thread:
        return _in_thread(*answered.groups())
    for found in filter(None, map(_THREAD.fullmatch, reversed(message.thread))):
        if answered is None or found[1] == answered[1]:
            return _in_thread(*found.groups())
    for found in filter(None, (answered, *map(_MESSAGE.fullmatch, reversed(message.thread)))):
        return _in_thread(*found.groups())
    known = [each.value for each in person.addresses if each.kind in ("slack_user", "external_id")]
    return next(({"channel": each} for each in known if _THREAD.fullmatch(each)), None)


def _in_thread(channel: str, root: str | None) -> dict[str, str]:
    if root is None or channel.startswith("D"):
        return {"channel": channel}
    return {"channel": channel, "thread_ts": root}


def _contents(message: OutboundMessage) -> list[dict[str, Any]] | Unsendable:
    buttons = choices_of(message)
    if len(buttons) > MAX_BUTTONS:
        return Unsendable("more than 25 buttons")
    if any(len(each.value or each.title) > MAX_BUTTON_VALUE for each in buttons):
        return Unsendable("the value of a button is longer than 2,000 characters")
    images = [each for each in message.attachments if _is_image(each)]
    if len(images) > MAX_IMAGES:
        return Unsendable("more than 40 images")
    links = [_link(each) for each in message.attachments if not _is_image(each)]
    text = "\n".join(filter(None, (message.text, *links)))
    parts = [
        part
        for part in split_text(text, MAX_SECTION if buttons or images else MAX_TEXT, escaped_size)
        if part.strip()
    ]
    contents: list[dict[str, Any]] = [{"text": escaped(part)} for part in parts]
    if images or buttons:
        last = contents.pop() if contents else {"text": _fallback(images, buttons)}
        contents.append({**last, "blocks": list(_blocks(last if parts else None, images, buttons))})
    return contents or Unsendable("neither text nor attachments", "no_text")


def _is_image(attachment: Attachment) -> bool:
    is_image = (attachment.content_type or "").startswith("image/")
    return is_image and len(attachment.url or "") <= MAX_IMAGE_URL


def _link(attachment: Attachment) -> str:
    return ": ".join(filter(None, (attachment.name, attachment.url)))


def _fallback(images: Sequence[Attachment], buttons: Sequence[Choice]) -> str:
    names = [each.name for each in images if each.name] or [each.title for each in buttons]
    return escaped(", ".join(names) or "image")


def _blocks(
    content: Mapping[str, Any] | None, images: Sequence[Attachment], buttons: Sequence[Choice]
) -> Iterator[dict[str, Any]]:
    """Yield the blocks of Block Kit; Slack shows them instead of the text."""
    if content is not None:
        yield {"type": "section", "text": {"type": "mrkdwn", "text": content["text"]}}
    for image in images:
        alternative = (image.name or "image")[:MAX_ALTERNATIVE]
        yield {"type": "image", "image_url": image.url, "alt_text": alternative}
    if buttons:
        elements = [_button(number, each) for number, each in enumerate(buttons)]
        yield {"type": "actions", "elements": elements}


def _button(number: int, choice: Choice) -> dict[str, Any]:
    title = split_text(choice.title, MAX_BUTTON_TITLE)[0]
    button = {
        "type": "button",
        "action_id": f"choice_{number}",
        "text": {"type": "plain_text", "text": title},
    }
    return (
        {**button, "url": choice.url}
        if choice.url
        else {**button, "value": choice.value or choice.title}
    )


def interpret(answer: Answer) -> Interpretation:
    """Return what an answer means. Slack answers 200 with `ok: false` and an error's name."""
    fields = answer_fields(answer)
    if not is_success(answer):
        return failure(answer, text_of(fields, "error"))
    if fields.get("ok") is True:
        channel, timestamp = text_of(fields, "channel"), text_of(fields, "ts")
        return Sent(f"{channel}/{timestamp}" if channel and timestamp else None)
    error = text_of(fields, "error")
    if error is None or error in _UNCERTAIN:
        return Unknown(error or "an answer without a result")
    return (
        Retry(error, retry_after(answer))
        if error in _TRANSIENT | _NO_ACCESS
        else Rejected(error, error)
    )
