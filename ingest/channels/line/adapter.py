"""LINE: the Messaging API, in both directions. Source: developers.line.biz/en/reference/messaging-api."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from ingest.channels import addresses
from ingest.channels.account_values import newest_secret, secrets_of
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    DeletionItem,
    EditItem,
    Field,
    HttpRequest,
    Inbound,
    Interpretation,
    MessageItem,
    OtherItem,
    OutboundMessage,
    Person,
    Retry,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.fields import (
    JSON_ERRORS,
    Fields,
    count_of,
    float_of,
    geo_url,
    id_of,
    kind_name,
    object_of,
    present,
    text_of,
)
from ingest.channels.line import names, outbound
from ingest.channels.people import person_of
from ingest.channels.signatures import check_equal
from ingest.events.payloads import Attachment

SIGNATURE = "x-line-signature"
_CONTENT_URL = "https://api-data.line.me/v2/bot/message/{}/content"
"""Where LINE keeps what a user sent, for the channel's access token."""

_STICKER_URL = "https://stickershop.line-scdn.net/stickershop/v1/sticker/{}/android/sticker.png"
"""Where LINE shows its stickers to everyone."""

_MEDIA = ("image", "video", "audio", "file")
_PLACES = ("groupId", "roomId")
_LATEST = 2**53
"""Milliseconds above this are no time."""


class _Body(msgspec.Struct):
    """The events stay as bytes, so that one which cannot be read costs no other."""

    events: list[msgspec.Raw]


class LineAdapter:
    """The Messaging API of LINE, one official account (channel) an account."""

    provider = "line"
    title = "LINE"
    channels: tuple[str, ...] = ("line",)
    options: tuple[Field, ...] = (
        Field("api_url", f"base URL of the API, {outbound.API_URL} by default", False),
    )
    secrets: tuple[Field, ...] = (
        Field("channel_secret", "Channel secret, under Basic settings of the channel"),
        Field("channel_access_token", "Channel access token, under Messaging API of the channel"),
    )
    inbound_kinds: tuple[str, ...] = (
        "text",
        *_MEDIA,
        "sticker",
        "location",
        "postback",
        "edit",
        "unsend",
        "follow",
        "unfollow",
        "join",
        "leave",
    )
    is_idempotent = True
    """A repeated push has the same retry key, so it sends nothing twice."""

    redelivery = "LINE repeats a call without a 2xx answer if redelivery is on; `webhookEventId` stays the same."

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: LINE checks the URL with a signed call without events."""
        return None

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check x-line-signature. Raises InvalidSignatureError. LINE signs no time, so `now` is unused."""
        secrets = secrets_of(account, "channel_secret")
        expected = [signature(each, call.body) for each in secrets]
        given = call.headers.get(SIGNATURE, "")
        check_equal(given, expected, "x-line-signature does not fit the channel secret")

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the events of a call, which may be of several users. Raises UnreadableCallError."""
        return [_event(raw, account) for raw in _raw_events(call.body)]

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[HttpRequest] | Unsendable:
        """Return a push of at most five messages for each part, with a key against sending it twice."""
        return outbound.render(message, person, account)

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what a push answers; 409 says that LINE had taken it before."""
        return outbound.interpret(answer)

    def name_request(self, person: Person, account: Account) -> HttpRequest | None:
        """Return the request that asks for a user's name, or None."""
        return names.name_request(person, account)

    def read_name(self, answer: Answer) -> str | Retry | None:
        """Return the name in an answer of the profile."""
        return names.read_name(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return a POST of a body, signed with the newest channel secret."""
        secret = newest_secret(account, "channel_secret")
        headers = {"content-type": content_type, SIGNATURE: signature(secret, body)}
        return Call(method="POST", url="https://localhost/", headers=headers, query={}, body=body)


def signature(secret: str, body: bytes) -> str:
    """Return LINE's signature of a body: HMAC-SHA256, in Base64."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def _raw_events(body: bytes) -> list[bytes]:
    """Return each event as bytes. Raises UnreadableCallError.

    The fast reader takes no body with half of a surrogate pair; the other one does, so that only the event
    which has it is lost.
    """
    try:
        return [bytes(raw) for raw in msgspec.json.decode(body, type=_Body).events]
    except JSON_ERRORS:
        pass
    try:
        return [json.dumps(event).encode() for event in list(json.loads(body)["events"])]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise UnreadableCallError("the body has no list of events") from None


def _event(raw: bytes, account: Account) -> Inbound:
    try:
        event = msgspec.json.decode(raw, type=dict[str, Any])
    except JSON_ERRORS:
        return UnreadableItem(reason="the event cannot be read", raw=raw)
    kind = text_of(event, "type")
    if kind is None:
        return UnreadableItem(reason="the event has no type", raw=raw)
    common = _common(event, account)
    if kind == "message" and id_of(object_of(event, "message"), "id") is None:
        return UnreadableItem(reason="the message has no id", raw=raw)
    return _item(kind, event, common)


def _common(event: Fields, account: Account) -> dict[str, Any]:
    source = object_of(event, "source")
    time, user = event.get("timestamp"), text_of(source, "userId")
    return {
        "provider_id": text_of(event, "webhookEventId") or _derived_id(event),
        "person": person_of([addresses.line_user(user or "", account.address)], None),
        "happened_at": time * 1_000 if type(time) is int and 0 <= time <= _LATEST else None,
        "thread": tuple(text for place in _PLACES if (text := text_of(source, place))),
    }


def _derived_id(event: Fields) -> str:
    """Return an id for an event without `webhookEventId`, the same when it is delivered again."""
    stable = {name: value for name, value in event.items() if name != "deliveryContext"}
    return hashlib.sha256(msgspec.json.encode(stable, order="deterministic")).hexdigest()


def _item(kind: str, event: Fields, common: Mapping[str, Any]) -> Inbound:
    match kind:
        case "message":
            return _message(event, common)
        case "postback" if data := text_of(object_of(event, "postback"), "data"):
            return MessageItem(**common, text=data, payload={"postback": event["postback"]})
        case "unsend" if message := id_of(object_of(event, "unsend"), "messageId"):
            return DeletionItem(**common, message=message)
        case "messageEdited" if (edited := _edited(event)) is not None:
            return EditItem(**common, message=edited[0], text=edited[1])
        case _:
            return OtherItem(**common, kind=kind_name(kind), data=event)


def _edited(event: Fields) -> tuple[str, str] | None:
    message = object_of(event, "message")
    identity, text = id_of(message, "id"), message.get("text")
    return (identity, text) if identity and isinstance(text, str) else None


def _message(event: Fields, common: Mapping[str, Any]) -> Inbound:
    message = object_of(event, "message")
    kind, identity = text_of(message, "type") or "", id_of(message, "id")
    named = {**common, "provider_id": identity}
    text = text_of(message, "text") if kind == "text" else None
    attachments = tuple(_attachments(kind, message, str(identity)))
    if text is None and not attachments:
        return OtherItem(**named, kind=kind_name(f"message_{kind}"), data=event)
    return MessageItem(
        **named,
        text=text,
        attachments=attachments,
        in_reply_to=id_of(message, "quotedMessageId"),
        payload=_payload(kind, message, event),
    )


def _attachments(kind: str, message: Fields, identity: str) -> Iterable[Attachment]:
    """Yield the file of a message, the picture of a sticker, or a place."""
    sticker = id_of(message, "stickerId")
    place = geo_url(float_of(message, "latitude"), float_of(message, "longitude"))
    if kind in _MEDIA:
        external = text_of(object_of(message, "contentProvider"), "originalContentUrl")
        yield Attachment(
            url=external or _CONTENT_URL.format(identity),
            name=text_of(message, "fileName"),
            size=count_of(message, "fileSize"),
        )
    elif kind == "sticker" and sticker:
        yield Attachment(url=_STICKER_URL.format(quote(sticker)), content_type="image/png")
    elif kind == "location" and place:
        yield Attachment(url=place, name=text_of(message, "title") or text_of(message, "address"))


def _payload(kind: str, message: Fields, event: Fields) -> dict[str, Any]:
    return present(
        message_type=None if kind == "text" else kind,
        mode="standby" if event.get("mode") == "standby" else None,
        sticker=_sticker(message) if kind == "sticker" else None,
        mentions=object_of(message, "mention").get("mentionees"),
        duration_milliseconds=count_of(message, "duration"),
    )


def _sticker(message: Fields) -> dict[str, Any]:
    return present(
        package_id=id_of(message, "packageId"),
        sticker_id=id_of(message, "stickerId"),
        keywords=message.get("keywords"),
        text=text_of(message, "text"),
    )


ADAPTER = LineAdapter()
