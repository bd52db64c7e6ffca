"""Updates of Telegram for tests: an account, people, chats and messages."""

import json
from typing import Any

from ingest.channels.base import (
    Account,
    Address,
    Inbound,
    Person,
)
from ingest.channels.telegram.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.stand_ins.telegram import TOKEN

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
HEADER = "x-telegram-bot-api-secret-token"
TEXTS = (
    "👩🏽\u200d🚀 hé",
    "שלום \u202eabc\u202c",
    "漢字かな한글",
    "a\u200bb\ufeff",
    "\U0001f1e9\U0001f1ea e\u0301",
)


def make_account(*secrets: str, **options: str) -> Account:
    return Account(
        account_id="acc",
        provider="telegram",
        channel="telegram",
        address="shop_bot",
        options=options,
        secrets={"secret_token": secrets or ("good_Token-1",), "bot_token": (TOKEN,)},
    )


ACCOUNT = make_account()
ADA = {
    "id": 23,
    "is_bot": False,
    "first_name": "Ada",
    "last_name": "L",
    "username": "ada",
    "language_code": "en",
}
PRIVATE = {"id": 23, "type": "private", "first_name": "Ada", "last_name": "L", "username": "ada"}
GROUP = {"id": -100, "type": "supergroup", "title": "Shop"}
ADA_PERSON = Person(
    addresses=(Address("telegram_user", "23"),),
    name="Ada L",
    attributes={"username": "ada", "language_code": "en"},
)


def read(body: bytes) -> list[Inbound]:
    call = ADAPTER.sign(body, "application/json", ACCOUNT, NOW)
    ADAPTER.verify(call, ACCOUNT, NOW)
    return list(ADAPTER.parse(call, ACCOUNT))


def read_one(kind: str, content: Any) -> Any:
    (item,) = read(json.dumps({"update_id": 7, kind: content}).encode())
    return item


def message(**fields: Any) -> dict[str, Any]:
    given = {"message_id": 5, "from": ADA, "chat": PRIVATE, "date": 1_700_000_000}
    return {name: value for name, value in {**given, **fields}.items() if value is not None}


MEDIA: dict[str, tuple[Any, Attachment]] = {
    "photo": ([{"file_id": "s", "width": 90, "height": 67, "file_size": 1}, {"file_id": "l", "width": 900, "height": 670, "file_size": 9}, {"file_id": "m", "width": 320, "height": 239, "file_size": 5}], Attachment(content_type="image/jpeg", size=9)),
    "video": ({"file_id": "v", "mime_type": "video/quicktime", "file_name": "a.mov", "file_size": 3}, Attachment(content_type="video/quicktime", size=3, name="a.mov")),
    "voice": ({"file_id": "o", "duration": 2}, Attachment(content_type="audio/ogg")),
    "audio": ({"file_id": "a", "mime_type": "audio/mpeg"}, Attachment(content_type="audio/mpeg")),
    "document": ({"file_id": "d", "file_name": "a.bin"}, Attachment(name="a.bin")),
    "sticker": ({"file_id": "t", "emoji": "😡", "is_animated": True, "is_video": False}, Attachment(content_type="application/x-tgsticker")),
    "video_note": ({"file_id": "n"}, Attachment(content_type="video/mp4")),
}  # fmt: skip


THUMB = {"type": "emoji", "emoji": "👍"}


HEART = {"type": "emoji", "emoji": "❤"}
