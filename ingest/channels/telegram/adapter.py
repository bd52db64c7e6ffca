"""Telegram: updates of a bot in; `sendMessage`, `sendPhoto` and `sendDocument` out."""

from collections.abc import Iterable, Sequence

from ingest.channels.account_values import secrets_of
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    Inbound,
    Interpretation,
    OutboundMessage,
    OutboundRequest,
    Person,
    Unsendable,
)
from ingest.channels.signatures import check_equal
from ingest.channels.telegram import outbound
from ingest.channels.telegram.files import MEDIA
from ingest.channels.telegram.updates import read_update

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 (a header's name)


class TelegramAdapter:
    """One bot. Calls carry the secret that `setWebhook` set. https://core.telegram.org/bots/api#setwebhook."""

    provider = "telegram"
    title = "Telegram"
    channels = ("telegram",)
    options = (
        MEDIA,
        Field("api_url", "Base URL of the Bot API, if it is not Telegram's", is_required=False),
    )
    secrets = (
        Field("secret_token", "Your choice: 1 to 256 of A-Z a-z 0-9 _ - , given to setWebhook"),
        Field("bot_token", "@BotFather → /mybots → API Token", is_required=False),
    )
    inbound_kinds = (
        "text", "photo", "video", "audio", "voice", "document", "sticker", "location", "contact",
        "dice", "poll", "edit", "deletion", "reaction", "button", "channel post", "business message",
    )  # fmt: skip
    redelivery = (
        "Telegram repeats an update with the same update_id until it gets a 2xx, for a day."
    )

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: Telegram does not check the URL."""

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Compare the secret of the call, in constant time. It proves nothing about the body or its age."""
        given = call.headers.get(SECRET_HEADER, "")
        secrets = secrets_of(account, "secret_token")
        check_equal(given, secrets, "the secret token is missing or wrong")

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of an update."""
        return list(read_update(call.body))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return the requests that send a message, in order."""
        return outbound.render(message, person, account)

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what an answer of the Bot API means."""
        return outbound.interpret(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call with the newest secret token."""
        headers = {"content-type": content_type, SECRET_HEADER: account.secrets["secret_token"][0]}
        return Call(method="POST", url="", headers=headers, query={}, body=body)


ADAPTER = TelegramAdapter()
