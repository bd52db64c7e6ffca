"""Messages to LINE's API, as pushes. A reply needs a token of one minute, which no event keeps.

Sources: developers.line.biz/en/reference/messaging-api (push, limits), /docs/messaging-api/retrying-api-request.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ingest.channels.account_values import api_url, newest_secret
from ingest.channels.answers import answer_fields, failure, is_success
from ingest.channels.base import (
    Account,
    Answer,
    Choice,
    HttpRequest,
    Interpretation,
    OutboundMessage,
    Person,
    Rejected,
    Sent,
    Unsendable,
)
from ingest.channels.choices import choices_of
from ingest.channels.fields import Fields, id_of, text_of
from ingest.channels.people import recipient
from ingest.channels.text_split import split_text, utf16_units
from ingest.events.payloads import Attachment

API_URL = "https://api.line.me"
MAX_MESSAGES = 5
MAX_TEXT = 5_000
MAX_QUICK_REPLIES = 13
_MAX_LABEL = 20
_MAX_DATA = 300
_MAX_URL = 2_000
_PLACE = re.compile(r"[CR][0-9a-f]{32}\Z")
"""Id of a group or a room. A conversation over several channels has other keys, too."""

_IMAGES = ("image/jpeg", "image/png")


def render(
    message: OutboundMessage, person: Person, account: Account
) -> Sequence[HttpRequest] | Unsendable:
    """Return pushes of at most five messages each. The last message has the quick replies."""
    to = _target(message, person)
    if to is None:
        return Unsendable("the person has no address on this channel")
    choices = choices_of(message)
    if len(choices) > MAX_QUICK_REPLIES:
        return Unsendable(f"LINE takes at most {MAX_QUICK_REPLIES} quick replies")
    if any(_is_too_long(each) for each in choices):
        return Unsendable("LINE takes at most 300 characters in a quick reply")
    messages = list(_messages(message))
    if not messages:
        return Unsendable("the message has neither text nor an attachment with a URL")
    if choices:
        messages[-1]["quickReply"] = {"items": [_quick_reply(each) for each in choices]}
    return [
        _push(to, group, f"{message.reference}/{number}", account)
        for number, group in enumerate(_groups(messages))
    ]


def interpret(answer: Answer) -> Interpretation:
    """Return what a push answers. It has a retry key, so an error of LINE's server can be repeated."""
    fields = answer_fields(answer)
    if is_success(answer) or answer.status == 409:
        accepted = answer.headers.get("x-line-accepted-request-id")
        return Sent(_first_id(fields) or accepted or answer.headers.get("x-line-request-id"))
    if answer.status == 429 and "monthly limit" in (text_of(fields, "message") or ""):
        return Rejected("the account has used its messages of this month", "429")
    return failure(answer, str(answer.status), is_idempotent=True)


def _target(message: OutboundMessage, person: Person) -> str | None:
    """Return the group or room that the conversation is in, or else the user."""
    place = next((each for each in reversed(message.thread) if _PLACE.match(each)), None)
    user = recipient(person, "line")
    return place or (user.value if user else None)


def _messages(message: OutboundMessage) -> Iterator[dict[str, Any]]:
    for text in split_text(message.text, MAX_TEXT, utf16_units) if message.text else ():
        yield {"type": "text", "text": text}
    for attachment in message.attachments:
        if attachment.url:
            yield _attachment(attachment, attachment.url)


def _attachment(attachment: Attachment, url: str) -> dict[str, Any]:
    """Return an image, or a link: LINE wants a preview of a video, a duration of a sound, and has no files."""
    is_shown = url.startswith("https://") and len(url) <= _MAX_URL
    if attachment.content_type in _IMAGES and is_shown:
        return {"type": "image", "originalContentUrl": url, "previewImageUrl": url}
    link = f"{attachment.name}: {url}" if attachment.name else url
    return {"type": "text", "text": link}


def _is_too_long(choice: Choice) -> bool:
    return len(choice.value or choice.title) > _MAX_DATA or len(choice.url or "") > _MAX_URL


def _quick_reply(choice: Choice) -> dict[str, Any]:
    label = split_text(choice.title, _MAX_LABEL, utf16_units)[0]
    action: dict[str, Any]
    if choice.url:
        action = {"type": "uri", "label": label, "uri": choice.url}
    elif choice.value:
        title = choice.title[:_MAX_DATA]
        action = {"type": "postback", "label": label, "data": choice.value, "displayText": title}
    else:
        action = {"type": "message", "label": label, "text": choice.title}
    return {"type": "action", "action": action}


def _push(to: str, messages: Sequence[Any], key: str, account: Account) -> HttpRequest:
    return HttpRequest(
        url=f"{api_url(account, API_URL)}/v2/bot/message/push",
        headers=(
            ("authorization", f"Bearer {newest_secret(account, 'channel_access_token')}"),
            ("content-type", "application/json"),
            ("x-line-retry-key", str(uuid5(NAMESPACE_URL, key))),
        ),
        body=msgspec.json.encode({"to": to, "messages": messages}),
    )


def _groups(messages: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(messages), MAX_MESSAGES):
        yield messages[start : start + MAX_MESSAGES]


def _first_id(fields: Fields) -> str | None:
    sent = fields.get("sentMessages")
    first = sent[0] if isinstance(sent, list) and sent else None
    return id_of(first, "id") if isinstance(first, dict) else None
