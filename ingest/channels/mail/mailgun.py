"""Mailgun: routes (parsed forms and raw MIME), event webhooks, and mail over `v3/<domain>/messages`.

https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http, …/webhooks/webhook-payloads.
The signature covers a timestamp and a token, NOT the body: who sees a call on its way and holds it back can forge
another one for 15 minutes. Therefore the URL must have https. A token that was seen is not taken with another body.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from ingest.channels.account_values import api_url, newest_secret, secrets_of
from ingest.channels.answers import answer_fields, failure, is_success
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    File,
    HttpRequest,
    Inbound,
    Interpretation,
    InvalidSignatureError,
    OtherItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    ReceiptItem,
    Sent,
    UnreadableCallError,
    Unsendable,
)
from ingest.channels.basic_auth import basic_value
from ingest.channels.fields import (
    FORM,
    Fields,
    float_of,
    id_of,
    json_object,
    kind_name,
    object_of,
    text_of,
)
from ingest.channels.mail.attached import file_name, file_type, with_files
from ingest.channels.mail.form_data import content_type_of, read_form
from ingest.channels.mail.items import MAIL_KINDS, mail_items, mail_person
from ingest.channels.mail.mailbox_text import mailbox
from ingest.channels.mail.mailgun_form import route_mail
from ingest.channels.mail.outgoing import OPTIONS, OutgoingMail, compose
from ingest.channels.multipart import multipart
from ingest.channels.signatures import check_equal
from ingest.events.types import ReceiptStatus

API_URL = "https://api.mailgun.net"
MAX_FILE_BYTES = 17 * 1024 * 1024
"""Maximum size of the files of a mail; Mailgun takes 25 MB as base64."""

WINDOW = 900
"""Seconds that a timestamp may differ from our clock."""

REFERENCE = "convolake_reference"
PERMANENT: Mapping[str, ReceiptStatus] = {"delivered": "delivered", "rejected": "failed"}


class Mailgun:
    """Mail through Mailgun."""

    provider = "mailgun"
    title = "Mailgun"
    channels: tuple[str, ...] = ("email",)
    options: tuple[Field, ...] = (
        Field("domain", "The sending domain, such as mg.shop.example"),
        Field("api_url", "https://api.eu.mailgun.net for domains in the EU", is_required=False),
        *OPTIONS,
    )
    secrets: tuple[Field, ...] = (
        Field("signing_key", "Send → Webhooks → HTTP webhook signing key"),
        Field("api_key", "A sending key of the domain"),
    )
    inbound_kinds: tuple[str, ...] = (
        *MAIL_KINDS,
        "status",
        "opened",
        "clicked",
        "complained",
        "unsubscribed",
    )
    redelivery = "Repeats calls that get neither 200 nor 406 at growing intervals for 8 hours."
    max_body_bytes = 40 * 1024 * 1024

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: Mailgun checks no URL."""

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check timestamp, token and signature, which are in the body. Raises InvalidSignatureError."""
        try:
            timestamp, token, signature = _proof(call)
        except UnreadableCallError:
            raise InvalidSignatureError("the call has no signature") from None
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            raise InvalidSignatureError("the call has no timestamp")
        if abs(now / 1_000_000 - int(timestamp)) > WINDOW:
            raise InvalidSignatureError("the timestamp is more than 15 minutes away")
        if not token:
            raise InvalidSignatureError("the call has no token")
        keys = secrets_of(account, "signing_key")
        expected = [_signature(each, timestamp, token) for each in keys]
        check_equal(signature, expected, "no key of the account fits the signature")

    def one_time_token(self, call: Call) -> tuple[str, bytes]:
        """Return the token of a verified call, and a digest of its fields: the signature does not cover them."""
        return _proof(call)[1], hashlib.sha256(_content_of(call)).digest()

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of a mail or of an event. Raises UnreadableCallError."""
        if _is_json(call.body):
            event = json_object(call.body).get("event-data")
            if isinstance(event, dict):
                return [_event(event)]
        form = read_form(call)
        return list(mail_items(route_mail(form), account, call.body))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return one call of messages."""
        mail = compose(message, person, account)
        if isinstance(mail, Unsendable):
            return mail
        domain = account.options.get("domain") or mail.sender.rpartition("@")[2]
        url = f"{api_url(account, API_URL)}/v3/{quote(domain, safe='')}/messages"
        write = partial(_request, account, url, _content(mail, message.reference))
        return [with_files(mail.attachments, MAX_FILE_BYTES, write)]

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what an answer means; its id is our Message-ID, which events and replies name."""
        if is_success(answer):
            return Sent(text_of(answer_fields(answer), "id"))
        return failure(answer, str(answer.status), is_temporary=answer.status in (403, 404))

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call with timestamp, token and signature in its body. A JSON form becomes a form."""
        timestamp = str(now // 1_000_000)
        token = hashlib.sha256(body).hexdigest()[:50]
        key = newest_secret(account, "signing_key")
        proof = {
            "timestamp": timestamp,
            "token": token,
            "signature": _signature(key, timestamp, token),
        }
        kind, signed = _with_proof(body, content_type, proof)
        return Call(method="POST", url="", headers={"content-type": kind}, query={}, body=signed)


def _is_json(body: bytes) -> bool:
    return body.lstrip(b" \r\n\t").startswith(b"{")


def _signature(key: str, timestamp: str, token: str) -> str:
    signed = (timestamp + token).encode("utf-8", "replace")
    return hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def _proof(call: Call) -> tuple[str, str, str]:
    """Return timestamp, token and signature. Raises UnreadableCallError."""
    if _is_json(call.body):
        fields = json_object(call.body)
        proof: Fields = object_of(fields, "signature") or fields
    else:
        form = read_form(call)
        proof = {name: form.text(name) for name in ("timestamp", "token", "signature")}
    return (
        id_of(proof, "timestamp") or "",
        text_of(proof, "token") or "",
        text_of(proof, "signature") or "",
    )


def _content_of(call: Call) -> bytes:
    """Return what a call says, the same for every boundary of its form."""
    if _is_json(call.body):
        return msgspec.json.encode(json_object(call.body), order="deterministic")
    form = read_form(call)
    files = sorted(
        (name, each.name, each.content_type, each.size) for name, each in form.files.items()
    )
    return repr((sorted(form.fields.items()), files)).encode("utf-8", "surrogatepass")


def _with_proof(body: bytes, content_type: str, proof: dict[str, str]) -> tuple[str, bytes]:
    """Return the content type and the body with the proof."""
    kind = content_type_of(body, content_type)
    if _is_json(body):
        fields = dict(json_object(body))
        if "event-data" in fields:
            return "application/json", msgspec.json.encode(fields | {"signature": proof})
        return FORM, urlencode(
            {name: str(each) for name, each in (fields | proof).items()}
        ).encode()
    if "boundary=" not in kind:
        return FORM, body + b"&" + urlencode(proof).encode()
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    parts = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (boundary, name.encode(), value.encode())
        for name, value in proof.items()
    )
    return kind, parts + body


def _event(event: Fields) -> Inbound:
    """Return the item of an event; a temporary failure is not the end."""
    name, key = text_of(event, "event"), text_of(event, "id")
    if name is None or key is None:
        raise UnreadableCallError("the event has no type or no id")
    message = text_of(object_of(object_of(event, "message"), "headers"), "message-id")
    status = PERMANENT.get(name)
    if name == "failed" and event.get("severity") != "temporary":
        status = "failed"
    common: dict[str, Any] = {
        "provider_id": key,
        "person": mail_person(event.get("recipient")),
        "happened_at": _time(event),
        "is_test": object_of(event, "flags").get("is-test-mode") is True,
    }
    if status is None or message is None:
        return OtherItem(kind=kind_name(name), data=event, **common)
    delivery = object_of(event, "delivery-status")
    reason = text_of(delivery, "message") or text_of(delivery, "description")
    return ReceiptItem(
        message=f"<{message.strip('<>')}>",
        status=status,
        code=id_of(delivery, "code"),
        reason=(reason or text_of(event, "reason")) if status == "failed" else None,
        client_reference=text_of(object_of(event, "user-variables"), REFERENCE),
        **common,
    )


def _time(event: Fields) -> int | None:
    seconds = float_of(event, "timestamp")
    return round(seconds * 1_000_000) if seconds and 0 < seconds < 2**40 else None


def _request(
    account: Account, url: str, content: Mapping[str, str], files: Sequence[File]
) -> HttpRequest:
    """Return the form; one with files is multipart, as Mailgun demands."""
    content_type, body = ("content-type", FORM), urlencode(content).encode()
    if files:
        named = [
            ("attachment", File(each.content, file_type(each), file_name(each))) for each in files
        ]
        content_type, body = multipart(content, named)
    authorization = basic_value("api", newest_secret(account, "api_key"))
    return HttpRequest(url=url, headers=(("authorization", authorization), content_type), body=body)


def _content(mail: OutgoingMail, reference: str) -> dict[str, str]:
    """Return the form of a message. `h:` are headers, `v:` variables that events have."""
    content = {
        "from": mailbox(mail.sender, mail.sender_name),
        "to": mailbox(mail.recipient, mail.recipient_name),
        "subject": mail.subject,
        "text": mail.text,
        f"v:{REFERENCE}": reference,
        **{f"h:{name}": value for name, value in mail.headers.items()},
    }
    if mail.reply_to is not None:
        content["h:Reply-To"] = mail.reply_to
    return content


ADAPTER = Mailgun()
