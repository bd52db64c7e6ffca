"""Messages to Telegram: `sendMessage`, `sendPhoto` and `sendDocument`.

https://core.telegram.org/bots/api#sendmessage
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from ingest.channels.account_values import api_url, newest_secret, uploads_files
from ingest.channels.answers import answer_fields, failure, is_success
from ingest.channels.base import (
    Account,
    Answer,
    Choice,
    Interpretation,
    OutboundMessage,
    OutboundRequest,
    Person,
    Rejected,
    Retry,
    Sent,
    Unknown,
    Unsendable,
)
from ingest.channels.choices import choices_of
from ingest.channels.fields import Fields, count_of, id_of, object_of
from ingest.channels.telegram.files import by_url, call, upload
from ingest.channels.text_split import split_text, text_size, utf8_bytes, utf16_units
from ingest.events.payloads import Attachment

API_URL = "https://api.telegram.org"
MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_BUTTONS = 100
MAX_BUTTON_VALUE = 64

_THREAD = re.compile(r"(-?[0-9]{1,19})(?::([0-9]{1,19}))?(?:@([!-~]{1,128}))?", re.ASCII)
_MESSAGE = re.compile(r"(-?[0-9]{1,19})/([0-9]{1,19})", re.ASCII)


class _Content(NamedTuple):
    """A text or a file, with its fields but those of the place."""

    fields: dict[str, Any]
    file: Attachment | None = None


def render(
    message: OutboundMessage, person: Person, account: Account
) -> Sequence[OutboundRequest] | Unsendable:
    """Return the requests in order: the text in parts, then the files. The last one has the buttons."""
    place = _place(message, person)
    token = newest_secret(account, "bot_token")
    if not token:
        return Unsendable("the account has no bot_token")
    if place is None:
        return Unsendable("neither a chat nor a Telegram user to send to")
    contents = _contents(message)
    if isinstance(contents, Unsendable):
        return contents
    base = f"{api_url(account, API_URL)}/bot{quote(token, safe=':')}"
    send_file = upload if uploads_files(account) else by_url
    requests: list[OutboundRequest] = []
    for fields, file in contents:
        first = {} if requests else _reply(message, place["chat_id"])
        sent = {**place, **first, **fields}
        requests.append(
            call(f"{base}/sendMessage", sent) if file is None else send_file(base, sent, file)
        )
    return requests


def _place(message: OutboundMessage, person: Person) -> dict[str, Any] | None:
    """Return the chat: that of the message it answers, of the conversation, or the user's own."""
    answered = _MESSAGE.fullmatch(message.in_reply_to or "")
    for found in filter(None, map(_THREAD.fullmatch, reversed(message.thread))):
        chat, topic, connection = found.groups()
        if answered is None or chat == answered[1]:
            topics = {"message_thread_id": int(topic)} if topic else {}
            connections = {"business_connection_id": connection} if connection else {}
            return {"chat_id": int(chat), **topics, **connections}
    if answered:
        return {"chat_id": int(answered[1])}
    users = [each.value for each in person.addresses if each.kind == "telegram_user"]
    return {"chat_id": int(users[0])} if users and _THREAD.fullmatch(users[0]) else None


def _reply(message: OutboundMessage, chat: int) -> dict[str, Any]:
    found = _MESSAGE.fullmatch(message.in_reply_to or "")
    if found is None or int(found[1]) != chat:
        return {}
    named = {"message_id": int(found[2]), "allow_sending_without_reply": True}
    return {"reply_parameters": named}


def _contents(message: OutboundMessage) -> list[_Content] | Unsendable:
    files, text = message.attachments, message.text or ""
    if any(each.url is None for each in files):
        return Unsendable("an attachment has no URL")
    is_caption = len(files) == 1 and text.strip() and text_size(text, utf16_units) <= MAX_CAPTION
    parts = [] if is_caption else split_text(text, MAX_TEXT, utf16_units)
    contents = [_Content({"text": part}) for part in parts if part.strip()]
    contents += [_Content({"caption": text} if is_caption else {}, each) for each in files]
    if not contents:
        return Unsendable("neither text nor attachments")
    markup = _markup(choices_of(message))
    if isinstance(markup, Unsendable):
        return markup
    fields, file = contents.pop()
    return [*contents, _Content({**fields, **markup}, file)]


def _markup(choices: Sequence[Choice]) -> dict[str, Any] | Unsendable:
    if len(choices) > MAX_BUTTONS:
        return Unsendable("more than 100 buttons")
    rows = [[_button(each)] for each in choices]
    if any(
        text_size(row[0].get("callback_data", ""), utf8_bytes) > MAX_BUTTON_VALUE for row in rows
    ):
        return Unsendable("the value of a button is longer than 64 bytes")
    return {"reply_markup": {"inline_keyboard": rows}} if rows else {}


def _button(choice: Choice) -> dict[str, str]:
    if choice.url:
        return {"text": choice.title, "url": choice.url}
    return {"text": choice.title, "callback_data": choice.value or choice.title}


def interpret(answer: Answer) -> Interpretation:
    """Return what an answer means. Telegram names the seconds to wait in the body."""
    fields = answer_fields(answer)
    if is_success(answer):
        return _success(fields)
    parameters, code = object_of(fields, "parameters"), id_of(fields, "error_code")
    if answer.status == 429 and "retry_after" in parameters:
        return Retry("there are too many requests", count_of(parameters, "retry_after"))
    if "migrate_to_chat_id" in parameters:
        return Rejected("the group has become a supergroup with another id", code)
    if answer.status == 403:
        return Rejected("the user has blocked the bot, or it is not in the chat", code)
    return failure(answer, code)


def _success(fields: Fields) -> Interpretation:
    if fields.get("ok") is not True:
        return Unknown("an answer without a result")
    result = object_of(fields, "result")
    chat, number = id_of(object_of(result, "chat"), "id"), id_of(result, "message_id")
    return Sent(f"{chat}/{number}" if chat and number else None)
