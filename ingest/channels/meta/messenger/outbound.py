"""A message as requests to the Send API of Messenger and Instagram.

Source: Meta's «Send API» (text below 2,000 characters, metadata below 1,000), «Quick Replies» (13, title 20),
«Button Template» (3 buttons, text 640), «Message Tags» and, for Instagram, «Messaging API» (text up to 1,000 bytes).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.channels.account_values import api_url
from ingest.channels.base import (
    Account,
    Choice,
    HttpRequest,
    OutboundMessage,
    Person,
    Unsendable,
)
from ingest.channels.meta.content import UnsendableContentError, limited, link_of, media_type
from ingest.channels.meta.graph import graph_request
from ingest.channels.service_window import WINDOW, is_in_window
from ingest.channels.text_split import Unit, split_text
from ingest.events.payloads import Attachment

QUICK_REPLIES, BUTTONS = 13, 3
TITLE_LIMIT, PAYLOAD_LIMIT, BUTTON_TEXT_LIMIT = 20, 1000, 640
OUTSIDE_WINDOW = "10/2018278"
INVALID = "100"
HUMAN_AGENT_WINDOW = 7 * WINDOW

Content = dict[str, Any]


class Limits(Struct, frozen=True):
    """What differs between Messenger and Instagram. `has_metadata`: echoes return the reference of the send.

    `name_fields`: the fields of a profile that have the person's name.
    """

    address_kind: str
    text: int
    unit: Unit
    api_url: str
    has_metadata: bool
    name_fields: str


def requests(
    message: OutboundMessage, person: Person, account: Account, limits: Limits
) -> Sequence[HttpRequest] | Unsendable:
    """Return the requests of a message, in order."""
    try:
        frame = {**_recipient(person, limits), **_window(message)}
        contents = _contents(message, limits)
    except UnsendableContentError as error:
        return Unsendable(str(error), error.code)
    url = f"{api_url(account, limits.api_url)}/me/messages"
    metadata = {"metadata": message.reference} if limits.has_metadata else {}
    bodies: list[Content] = [{**frame, "message": {**content, **metadata}} for content in contents]
    if message.in_reply_to:
        bodies[0]["reply_to"] = {"mid": message.in_reply_to}
    return [graph_request(url, account, body) for body in bodies]


def _recipient(person: Person, limits: Limits) -> Content:
    for address in person.addresses:
        if address.kind == limits.address_kind:
            return {"recipient": {"id": address.value}}
    for address in person.addresses:
        if address.kind == "external_id" and address.scope:
            return {"recipient": {"user_ref": address.value}}
    raise UnsendableContentError("the person has no id on this page or account", INVALID)


def _window(message: OutboundMessage) -> Content:
    """Return the messaging type; the tag of `template` extends the window («Message Tags»)."""
    if is_in_window(message):
        return {"messaging_type": "RESPONSE"}
    tag = (message.template or {}).get("tag")
    if not isinstance(tag, str) or not tag:
        raise UnsendableContentError(
            "more than 24 hours after the customer's last message: a tag is needed", OUTSIDE_WINDOW
        )
    if tag == "HUMAN_AGENT" and not _may_be_human(message):
        raise UnsendableContentError(
            "HUMAN_AGENT is for an agent's answer within 7 days", OUTSIDE_WINDOW
        )
    return {"messaging_type": "MESSAGE_TAG", "tag": tag}


def _may_be_human(message: OutboundMessage) -> bool:
    return not message.is_automatic and is_in_window(message, HUMAN_AGENT_WINDOW)


def _contents(message: OutboundMessage, limits: Limits) -> list[Content]:
    contents = [*_texts(message, limits), *(_media(each) for each in message.attachments)]
    if not contents:
        raise UnsendableContentError("the message has no content", INVALID)
    if message.quick_replies:
        contents[-1] = {**contents[-1], "quick_replies": _quick_replies(message.quick_replies)}
    return contents


def _texts(message: OutboundMessage, limits: Limits) -> list[Content]:
    limit = min(limits.text, BUTTON_TEXT_LIMIT) if message.buttons else limits.text
    parts = [part for part in split_text(message.text or "", limit, limits.unit) if part.strip()]
    contents: list[Content] = [{"text": part} for part in parts]
    if not message.buttons:
        return contents
    if not parts:
        raise UnsendableContentError("buttons need a text", INVALID)
    return [*contents[:-1], _button_template(parts[-1], message.buttons)]


def _button_template(text: str, choices: Sequence[Choice]) -> Content:
    if len(choices) > BUTTONS:
        raise UnsendableContentError(f"at most {BUTTONS} buttons", INVALID)
    payload = {
        "template_type": "button",
        "text": text,
        "buttons": [_button(choice) for choice in choices],
    }
    return {"attachment": {"type": "template", "payload": payload}}


def _button(choice: Choice) -> Mapping[str, str]:
    title = limited(choice.title, TITLE_LIMIT, INVALID)
    if choice.url:
        return {"type": "web_url", "title": title, "url": choice.url}
    value = limited(choice.value or choice.title, PAYLOAD_LIMIT, INVALID)
    return {"type": "postback", "title": title, "payload": value}


def _quick_replies(choices: Sequence[Choice]) -> list[Content]:
    if len(choices) > QUICK_REPLIES:
        raise UnsendableContentError(f"at most {QUICK_REPLIES} quick replies", INVALID)
    return [
        {
            "content_type": "text",
            "title": limited(choice.title, TITLE_LIMIT, INVALID),
            "payload": limited(choice.value or choice.title, PAYLOAD_LIMIT, INVALID),
        }
        for choice in choices
    ]


def _media(attachment: Attachment) -> Content:
    family = media_type(attachment).partition("/")[0]
    kind = family if family in ("image", "audio", "video") else "file"
    return {"attachment": {"type": kind, "payload": {"url": link_of(attachment, INVALID)}}}
