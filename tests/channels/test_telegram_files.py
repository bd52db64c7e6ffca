"""Files to Telegram: by URL, or in the call, which then is a form with the same fields."""

from collections.abc import Iterator
from typing import Any

import pytest

from ingest.channels.base import Choice, File, FileRequest, OutboundMessage, Sent, Unsendable
from ingest.channels.telegram.adapter import ADAPTER
from ingest.channels.telegram.files import MAX_PHOTO_BYTES
from ingest.events.payloads import Attachment
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.forms import Part
from tests.channels.stand_ins.telegram import TelegramApi, telegram_api
from tests.channels.telegram_calls import ADA_PERSON, NOW, make_account

URL = "https://shop.example/hat"
PNG = bytes(range(256)) * 3


@pytest.fixture
def api() -> Iterator[TelegramApi]:
    with telegram_api() as found:
        yield found


def post(api: TelegramApi, *files: File, **fields: Any) -> list[Any]:
    """Send a message with one attachment for each file; return what each answer means."""
    attachments = [Attachment(url=URL, content_type="image/png") for _ in files]
    out = OutboundMessage(reference="r", now=NOW, attachments=attachments, **fields)
    account = make_account(api_url=api.url, media="upload")
    requests = ADAPTER.render(out, ADA_PERSON, account)
    assert not isinstance(requests, Unsendable)
    left = list(files)
    results = []
    for request in requests:
        if isinstance(request, FileRequest):
            assert [each.url for each in request.attachments] == [URL]
            built = request.build([left.pop(0)])
            assert not isinstance(built, Unsendable)
            request = built
        results.append(ADAPTER.interpret(send(request)))
    assert left == []
    return results


def test_a_photo_goes_out_with_its_caption_its_reply_and_its_buttons(api: TelegramApi) -> None:
    hat = File(PNG, "image/png", "Hüt.png")
    results = post(api, hat, text="hé 漢", in_reply_to="23/5", buttons=[Choice("Yes", "y")])
    assert results == [Sent("23/1")]
    (sent,) = api.sent
    assert sent["photo"] == Part("photo", "Hüt.png", "image/png", PNG)
    assert (sent["method"], sent["chat_id"], sent["caption"]) == ("sendPhoto", 23, "hé 漢")
    assert sent["reply_parameters"] == {"message_id": 5, "allow_sending_without_reply": True}
    assert sent["reply_markup"] == {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}


def test_the_fetched_type_and_size_decide_how_a_file_goes_out(api: TelegramApi) -> None:
    small, large = bytes(MAX_PHOTO_BYTES), bytes(MAX_PHOTO_BYTES + 1)
    files = (
        File(small, "image/png", "a.png"),
        File(large, "image/png", "b.png"),
        File(PNG, "application/zip", "c.zip"),
    )
    assert all(isinstance(each, Sent) for each in post(api, *files, text="three"))
    methods = [each["method"] for each in api.sent]
    assert methods == ["sendMessage", "sendPhoto", "sendDocument", "sendDocument"]
    assert api.sent[2]["document"] == Part("document", "b.png", "image/png", large)


def test_only_the_first_call_of_a_message_is_a_reply(api: TelegramApi) -> None:
    two = File(PNG, "image/png", "a.png"), File(PNG, "image/png", "b.png")
    post(api, *two, text="two", in_reply_to="23/5")
    assert ["reply_parameters" in each for each in api.sent] == [True, False, False]
