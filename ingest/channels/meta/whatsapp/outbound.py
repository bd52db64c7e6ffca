"""A message as requests to WhatsApp's `/messages`.

Source: Meta's «Messages API», «Text messages» (4,096 characters), «Interactive reply buttons messages» (3
buttons, 20 characters, body 1,024), «Interactive list messages» (10 rows, 24 characters), «Interactive call-to-action
URL button messages», «Contextual replies» and «Business-scoped user IDs» (`to` or `recipient`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ingest.channels.account_values import uploads_files
from ingest.channels.base import (
    Account,
    Choice,
    HttpRequest,
    OutboundMessage,
    OutboundRequest,
    Person,
    Unsendable,
)
from ingest.channels.choices import choices_of
from ingest.channels.meta.content import UnsendableContentError, limited
from ingest.channels.meta.graph import graph_request
from ingest.channels.meta.whatsapp.media import (
    Content,
    by_link,
    number_url,
    to_upload,
    upload,
)
from ingest.channels.meta.whatsapp.people import GROUP
from ingest.channels.people import unparsed_number
from ingest.channels.service_window import is_in_window
from ingest.channels.text_split import split_text
from ingest.events.payloads import Attachment

TEXT_LIMIT = 4096
BODY_LIMIT = 1024
BUTTONS, BUTTON_TITLE, BUTTON_ID = 3, 20, 256
ROWS, ROW_TITLE, ROW_ID = 10, 24, 200
REFERENCE_LIMIT = 512
OUTSIDE_WINDOW = "131047"
INVALID_VALUE = "131009"
MISSING_VALUE = "131008"
_RECIPIENT_FIELDS = (("phone", "to"), ("bsuid", "recipient"), ("parent_bsuid", "recipient"))
"""The field for each kind of address, the best first: a parent id is valid only while Meta has the portfolios linked."""


def requests(
    message: OutboundMessage, person: Person, account: Account
) -> Sequence[OutboundRequest] | Unsendable:
    """Return the requests of a message, in order. A file is uploaded first if the account says so."""
    try:
        frame = _frame(message, person)
        contents = _contents(message, account)
    except UnsendableContentError as error:
        return Unsendable(str(error), error.code)
    sends = [
        partial(_send, account, {**frame, **_context(message, n)}) for n in range(len(contents))
    ]
    return [
        upload(content, account, send) if isinstance(content, Attachment) else send(content)
        for send, content in zip(sends, contents, strict=True)
    ]


def _send(account: Account, frame: Content, content: Content) -> HttpRequest:
    if content["type"] == "template":
        frame = {name: value for name, value in frame.items() if name != "context"}
    return graph_request(f"{number_url(account)}/messages", account, {**frame, **content})


def _context(message: OutboundMessage, number: int) -> Content:
    """Return what makes the first request of a message an answer."""
    is_answer = number == 0 and message.in_reply_to
    return {"context": {"message_id": message.in_reply_to}} if is_answer else {}


def _frame(message: OutboundMessage, person: Person) -> Content:
    return {
        "messaging_product": "whatsapp",
        **_recipient(message, person),
        "biz_opaque_callback_data": message.reference[:REFERENCE_LIMIT],
    }


def _recipient(message: OutboundMessage, person: Person) -> Mapping[str, str]:
    """Return the fields that name the recipient, by the best kind of address that is known.

    An answer in a group goes to all of its members («Groups API»).
    """
    groups = [key for key in message.thread if key.startswith(GROUP)]
    if groups:
        return {"recipient_type": "group", "to": groups[-1].removeprefix(GROUP)}
    for kind, name in _RECIPIENT_FIELDS:
        for address in person.addresses:
            if address.kind == kind:
                return {"recipient_type": "individual", name: address.value.removeprefix("+")}
    for number in filter(None, map(unparsed_number, person.addresses)):
        return {"recipient_type": "individual", "to": number.removeprefix("+")}
    raise UnsendableContentError("the person has no WhatsApp address", MISSING_VALUE)


def _contents(message: OutboundMessage, account: Account) -> list[Content | Attachment]:
    """Return the contents in order; an attachment is a file to upload."""
    if not is_in_window(message):
        if message.template is None:
            raise UnsendableContentError(
                "more than 24 hours after the customer's last message: a template is needed",
                OUTSIDE_WINDOW,
            )
        return [_template(message.template)]
    is_upload = uploads_files(account)
    files = [to_upload(each) if is_upload else by_link(each) for each in message.attachments]
    contents = [*_texts(message, account), *files]
    if not contents and message.template is not None:
        return [_template(message.template)]
    if not contents:
        raise UnsendableContentError("the message has no content", MISSING_VALUE)
    return contents


def _template(template: Mapping[str, Any]) -> Content:
    """Return a template with its language as an object; callers may name it by its code alone."""
    language = template.get("language")
    fields = dict(template)
    if isinstance(language, str):
        fields["language"] = {"code": language}
    if not fields.get("name") or not fields.get("language"):
        raise UnsendableContentError("a template needs a name and a language", MISSING_VALUE)
    return {"type": "template", "template": fields}


def _texts(message: OutboundMessage, account: Account) -> list[Content]:
    choices = choices_of(message)
    text = message.text or ""
    if not choices:
        parts = [part for part in split_text(text, TEXT_LIMIT) if part.strip()]
        return [_plain(part) for part in parts]
    parts = [part for part in split_text(text, BODY_LIMIT) if part.strip()]
    if not parts:
        raise UnsendableContentError("buttons need a text", MISSING_VALUE)
    return [*map(_plain, parts[:-1]), _interactive(parts[-1], choices, account)]


def _plain(text: str) -> Content:
    return {"type": "text", "text": {"body": text}}


def _interactive(text: str, choices: Sequence[Choice], account: Account) -> Content:
    if any(choice.url for choice in choices):
        kind, action = "cta_url", _link(choices)
    elif len(choices) <= BUTTONS:
        kind, action = "button", _buttons(choices)
    else:
        kind, action = "list", _list(choices, account.options.get("list_button") or "Options")
    return {
        "type": "interactive",
        "interactive": {"type": kind, "body": {"text": text}, "action": action},
    }


def _link(choices: Sequence[Choice]) -> Content:
    if len(choices) > 1:
        raise UnsendableContentError("a button with a URL must be the only one", INVALID_VALUE)
    [choice] = choices
    title = limited(choice.title, BUTTON_TITLE, INVALID_VALUE)
    return {"name": "cta_url", "parameters": {"display_text": title, "url": choice.url}}


def _buttons(choices: Sequence[Choice]) -> Content:
    return {
        "buttons": [
            {"type": "reply", "reply": _reply(choice, BUTTON_TITLE, BUTTON_ID)}
            for choice in choices
        ]
    }


def _list(choices: Sequence[Choice], label: str) -> Content:
    if len(choices) > ROWS:
        raise UnsendableContentError(f"at most {ROWS} choices", INVALID_VALUE)
    rows = [_reply(choice, ROW_TITLE, ROW_ID) for choice in choices]
    return {"button": limited(label, BUTTON_TITLE, INVALID_VALUE), "sections": [{"rows": rows}]}


def _reply(choice: Choice, title_limit: int, id_limit: int) -> Content:
    value = choice.value or choice.title
    return {
        "id": limited(value, id_limit, INVALID_VALUE),
        "title": limited(choice.title, title_limit, INVALID_VALUE),
    }
