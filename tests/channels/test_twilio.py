"""Twilio: every kind of call is read, only Twilio's calls are taken, and sends obey the documented limits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import (  # type: ignore[import-untyped]
    RequestValidator,
    get_signature_algorithm,
)

from convolake.loopback_server import Reply
from ingest.channels import addresses
from ingest.channels.base import (
    Account,
    Address,
    Call,
    Choice,
    DeletionItem,
    EditItem,
    HttpRequest,
    Inbound,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    OutboundMessage,
    Person,
    ReceiptItem,
    Rejected,
    Retry,
    Sent,
    Unknown,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.fields import FORM
from ingest.channels.twilio.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.changed_bits import with_changed_bits
from tests.channels.recorded import recorded
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.twilio import TwilioApi, error, twilio_api

URL = "https://desk.example/v1/channels/twilio/a?b=1"
NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
HOSTILE = "مرحبا\u200f 😀👨‍👩‍👧 你好\u200b\r\n\x00 a&b=c+d%"


def account(channel: str = "sms", **options: str) -> Account:
    return Account(
        account_id="a",
        provider="twilio",
        channel=channel,
        address="+15005550006" if channel != "messenger" else "999",
        options={"account_sid": "AC1", "webhook_url": URL, **options},
        secrets={"auth_token": ["newest token", "oldest token"], "shared_key": ["shared secret"]},
    )


def call_of(form: Mapping[str, str] | bytes, url: str = URL, content_type: str = FORM) -> Call:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    query = dict(parse_qsl(url.partition("?")[2]))
    headers = {"content-type": content_type}
    return Call(method="POST", url=url, headers=headers, query=query, body=body)


def item_of(form: Mapping[str, str], channel: str = "sms", url: str = URL) -> Inbound:
    [item] = ADAPTER.parse(call_of(form, url), account(channel))
    return item


def message_of(form: Mapping[str, str], channel: str = "sms") -> MessageItem:
    item = item_of({"MessageSid": "SM1", "From": "+4915112345678", "Body": "x", **form}, channel)
    assert isinstance(item, MessageItem)
    return item


def is_valid(call: Call, of: Account | None = None) -> bool:
    try:
        ADAPTER.verify(call, of or account(), NOW)
    except InvalidSignatureError:
        return False
    return True


def with_header(call: Call, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return msgspec.structs.replace(call, headers={**call.headers, **named})


class Params(dict[str, list[str]]):
    """Fields as a web framework gives them to the SDK."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def sdk_signature(token: str, call: Call, algorithm: str = "HMAC_SHA1") -> str:
    params = Params(parse_qs(call.body.decode(), keep_blank_values=True))
    return str(RequestValidator(token).compute_signature(call.url, params, algorithm))


def sdk_accepts(call: Call) -> bool:
    """Return the SDK's verdict with any of the account's secrets; an error is a no."""
    header = call.headers.get("x-twilio-webhooks-signature-settings", "")
    of = account().secrets["shared_key" if "key=" in header else "auth_token"]
    is_form = call.headers["content-type"] == FORM
    try:
        text = call.body.decode()
        params = (
            Params(parse_qs(text, keep_blank_values=True, errors="strict")) if is_form else text
        )
        given = call.headers.get("x-twilio-signature", "")
        algorithm = get_signature_algorithm(header)
        return any(
            RequestValidator(each).validate(call.url, params, given, algorithm) for each in of
        )
    except Exception:
        return False


def test_an_sms_has_text_sender_and_sid() -> None:
    text = HOSTILE.replace("\x00", "")
    item = message_of({"Body": text, "SmsStatus": "received", "NumMedia": "0"})
    assert item.provider_id == "SM1"
    assert item.text == text
    assert item.person == Person(addresses=(Address("phone", "+4915112345678"),))
    assert (item.channel, item.happened_at, item.attachments) == (None, None, ())


def test_a_text_is_exactly_what_was_sent() -> None:
    assert message_of({"Body": HOSTILE}).text == HOSTILE
    assert message_of({"Body": " "}).text == " "
    empty = item_of({"MessageSid": "SM1", "From": "+4915112345678", "Body": ""})
    assert isinstance(empty, OtherItem)
    assert (empty.kind, empty.provider_id) == ("empty_message", "SM1")


def test_media_are_attachments_in_order_whatever_their_count_says() -> None:
    media = {f"MediaUrl{n}": f"https://api.example/{n}" for n in reversed(range(11))}
    item = message_of({**media, "MediaContentType10": "image/png", "NumMedia": "many"})
    assert [each.url for each in item.attachments] == [
        f"https://api.example/{n}" for n in range(11)
    ]
    assert item.attachments[10] == Attachment(
        url="https://api.example/10", content_type="image/png"
    )


def test_a_whatsapp_sender_without_number_is_known_by_every_other_id() -> None:
    item = message_of(
        {
            "From": "whatsapp:DE.13491208655302741918",
            "ExternalUserId": "DE.13491208655302741918",
            "ParentExternalUserId": "DE.ENT.506847293015824",
            "ProfileName": "Ada",
            "ProfileUsername": "ada.l",
        }
    )
    assert item.channel == "whatsapp"
    assert item.person == Person(
        addresses=(
            Address("bsuid", "DE.13491208655302741918"),
            Address("parent_bsuid", "DE.ENT.506847293015824"),
        ),
        name="Ada",
        attributes={"username": "ada.l"},
    )


def test_a_whatsapp_sender_without_from_is_not_lost() -> None:
    item = item_of({"MessageSid": "SM1", "ExternalUserId": "DE.1349", "Body": "hi"}, "whatsapp")
    assert isinstance(item, MessageItem)
    assert item.person == Person(addresses=(Address("bsuid", "DE.1349"),))


def test_number_and_bsuid_of_one_call_are_one_person() -> None:
    item = message_of(
        {"From": "whatsapp:+4915112345678", "WaId": "4915112345678", "ExternalUserId": "DE.1349"}
    )
    assert item.person is not None
    assert item.person.addresses == (
        Address("phone", "+4915112345678"),
        Address("bsuid", "DE.1349"),
    )


@pytest.mark.parametrize(
    ("sender", "channel", "address"),
    [
        ("rcs:+4915112345678", "rcs", Address("phone", "+4915112345678")),
        ("messenger:777", "messenger", Address("page_scoped_id", "777", "999")),
        ("viber:abc", "viber", Address("external_id", "abc", "viber")),
        ("72345", None, Address("external_id", "72345")),
    ],
)
def test_a_prefix_tells_the_channel(sender: str, channel: str | None, address: Address) -> None:
    of = msgspec.structs.replace(account(), address="messenger:999")
    [item] = ADAPTER.parse(call_of({"MessageSid": "SM1", "From": sender, "Body": "x"}), of)
    assert isinstance(item, MessageItem)
    assert item.person is not None
    assert (item.channel, item.person.addresses) == (channel, (address,))


def test_details_of_a_message_are_in_its_payload() -> None:
    form = {
        "Body": "",
        "Latitude": "52.5",
        "Longitude": "13.4",
        "Label": "Shop",
        "ButtonText": "Yes",
        "ButtonPayload": "yes-1",
        "ReferralSourceUrl": "https://ad.example",
        "ReferralCtwaClid": "c",
        "OptOutType": "STOP",
        "Forwarded": "true",
        "ListId": "row-1",
        "OriginalRepliedMessageSid": "SM0",
    }
    item = message_of(form)
    assert (item.text, item.in_reply_to) == ("Yes", "SM0")
    assert item.payload == {
        "button": {"payload": "yes-1", "text": "Yes"},
        "reply": {"id": "row-1"},
        "referral": {"source_url": "https://ad.example", "ctwa_clid": "c"},
        "opt_out_type": "STOP",
        "is_forwarded": True,
    }
    assert item.attachments == (Attachment(url="geo:52.5,13.4", name="Shop"),)
    assert message_of({"Body": "x", "Latitude": "nan", "Longitude": "north"}).attachments == ()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("queued", "submitted"),
        ("sent", "submitted"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("undelivered", "failed"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
@pytest.mark.parametrize("name", ["MessageStatus", "SmsStatus"])
def test_a_status_is_a_receipt(given: str, status: str, name: str) -> None:
    form = {"MessageSid": "SM1", name: given, "To": "whatsapp:+4915112345678", "ErrorCode": "30008"}
    item = item_of(form, "whatsapp", f"{URL}&reference=event%2F1")
    assert isinstance(item, ReceiptItem)
    assert (item.provider_id, item.message, item.status) == (f"SM1:{given}", "SM1", status)
    assert (item.code, item.client_reference, item.channel) == ("30008", "event/1", None)
    assert item.person == Person(addresses=(Address("phone", "+4915112345678"),))


def test_an_unknown_status_is_kept() -> None:
    item = item_of({"MessageSid": "SM1", "MessageStatus": "teleported"})
    assert isinstance(item, OtherItem)
    assert (item.kind, item.provider_id, item.data["MessageStatus"]) == (
        "status",
        "SM1:teleported",
        "teleported",
    )


def test_a_call_by_get_is_read_from_its_query() -> None:
    url = "https://desk.example/hook?MessageSid=SM1&From=%2B4915112345678&Body=hi+there"
    call = Call(method="GET", url=url, headers={}, query={}, body=b"")
    signed = with_header(
        call, x_twilio_signature=str(RequestValidator("newest token").compute_signature(url, {}))
    )
    assert is_valid(signed)
    [item] = ADAPTER.parse(signed, account())
    assert isinstance(item, MessageItem)
    assert item.text == "hi there"


CONVERSATION = {
    "ConversationSid": "CH1",
    "MessageSid": "IM1",
    "Author": "+4915112345678",
    "Body": "hello",
    "DateCreated": "2026-11-30T10:00:00.123Z",
}


def test_a_message_of_conversations_is_a_message_of_its_thread() -> None:
    item = item_of(
        {
            **CONVERSATION,
            "EventType": "onMessageAdded",
            "Media": '[{"Filename": "a.pdf", "Size": 3}]',
        }
    )
    assert isinstance(item, MessageItem)
    assert (item.provider_id, item.text, item.thread, item.author) == (
        "IM1",
        "hello",
        ("CH1",),
        "customer",
    )
    assert item.happened_at == 1_796_032_800_123_000
    assert item.attachments == (Attachment(name="a.pdf", size=3),)
    agent = item_of({**CONVERSATION, "EventType": "onMessageAdded", "Author": "grace"})
    assert isinstance(agent, MessageItem)
    assert (agent.author, agent.author_name, agent.person) == ("agent", "grace", None)


def test_edits_deletions_and_receipts_of_conversations_name_their_message() -> None:
    edit = item_of({**CONVERSATION, "EventType": "onMessageUpdated"})
    assert isinstance(edit, EditItem)
    assert (edit.message, edit.text) == ("IM1", "hello")
    deletion = item_of({**CONVERSATION, "EventType": "onMessageRemoved"})
    assert isinstance(deletion, DeletionItem)
    assert deletion.message == "IM1"
    receipt = item_of({**CONVERSATION, "EventType": "onDeliveryUpdated", "Status": "read"})
    assert isinstance(receipt, ReceiptItem)
    assert (receipt.message, receipt.status) == ("IM1", "read")
    other = item_of({**CONVERSATION, "EventType": "onParticipantAdded"})
    assert isinstance(other, OtherItem)
    assert other.kind == "participant_added"


def test_a_list_is_no_call_of_twilio() -> None:
    with pytest.raises(UnreadableCallError):
        ADAPTER.parse(
            call_of(b'[{"MessageSid": "SM1"}]', content_type="application/json"), account()
        )


def test_a_message_without_sender_or_sid_is_kept_as_unreadable() -> None:
    for form in ({"MessageSid": "SM1", "Body": "x"}, {"From": "+4915112345678", "Body": "x"}):
        item = item_of(form)
        assert isinstance(item, UnreadableItem)
        assert item.raw == urlencode(form).encode()


def test_a_call_about_something_else_is_kept() -> None:
    form = {"AccountSid": "AC1", "CallSid": "CA1", "From": "+4915112345678"}
    first, second = item_of(form), item_of(form)
    assert isinstance(first, OtherItem)
    assert first == second


@settings(max_examples=1_000, deadline=None)
@given(
    st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
    st.sampled_from([FORM, "application/json", "text/plain", ""]),
)
def test_no_body_breaks_the_reader(body: bytes, content_type: str) -> None:
    try:
        list(ADAPTER.parse(call_of(body, content_type=content_type), account()))
    except UnreadableCallError:
        return


words = st.text(max_size=8)
names = st.sampled_from(["Body", "From", "To", "MediaUrl0", "a", ""]) | words
forms = st.lists(st.tuples(names, words), max_size=5)
urls = st.sampled_from(
    [
        URL,
        "https://desk.example/hook",
        "https://desk.example:443/hook",
        "http://desk.example:80/hook?x=1",
        "http://desk.example:8080/hook?x=%20",
        "https://desk.example:99999/hook",
    ]
)


@settings(max_examples=1_000, deadline=None)
@given(
    forms,
    urls,
    st.sampled_from(["newest token", "oldest token", "shared secret", "a stranger's"]),
    st.sampled_from(
        [
            "",
            "key=k1,algorithm=HMAC_SHA256",
            "algorithm=HMAC_SHA1",
            "key=k1",
            "key=k1,algorithm=hmac_sha512",
            "x",
        ]
    ),
    st.data(),
)
def test_our_verdict_is_the_sdks(
    fields: list[tuple[str, str]], url: str, token: str, scheme: str, data: st.DataObject
) -> None:
    call = call_of(urlencode(fields, errors="replace").encode(), url)
    algorithm = "HMAC_SHA256" if "SHA256" in scheme else "HMAC_SHA1"
    signature = sdk_signature(token, call, algorithm)
    given_signature = data.draw(
        st.sampled_from([signature, signature[:-1], "", "é", signature.lower()])
    )
    signed = with_header(
        call, x_twilio_signature=given_signature, x_twilio_webhooks_signature_settings=scheme
    )
    of = account(webhook_url="")
    assert is_valid(signed, of) == sdk_accepts(signed)


@settings(max_examples=1_000, deadline=None)
@given(st.binary(max_size=50), st.sampled_from(["right", "wrong", "absent", "empty"]))
def test_our_verdict_on_json_is_the_sdks(body: bytes, given_hash: str) -> None:
    signed = ADAPTER.sign(body, "application/json", account(), NOW)
    match given_hash:
        case "wrong":
            url = signed.url.replace("bodySHA256=", "bodySHA256=0")
        case "absent":
            url = URL
        case "empty":
            url = f"{URL}&bodySHA256="
        case _:
            url = signed.url
    token = str(RequestValidator("newest token").compute_signature(url, {}))
    call = with_header(msgspec.structs.replace(signed, url=url), x_twilio_signature=token)
    try:
        body.decode()
    except UnicodeDecodeError:
        return  # the SDK takes text only
    assert is_valid(call, account(webhook_url="")) == sdk_accepts(call)


@settings(max_examples=200, deadline=None)
@given(forms, st.data())
def test_one_changed_bit_is_rejected(fields: list[tuple[str, str]], data: st.DataObject) -> None:
    body = urlencode(fields, errors="replace").encode()
    call = ADAPTER.sign(body, FORM, account(), NOW)
    assert is_valid(call)
    for changed in with_changed_bits(call.headers["x-twilio-signature"].encode(), data):
        assert not is_valid(with_header(call, x_twilio_signature=changed.decode("latin-1")))
    for changed in with_changed_bits(body, data):
        forged = msgspec.structs.replace(call, body=changed)
        assert not is_valid(forged) or signed_text(forged) == signed_text(call)


def signed_text(call: Call) -> str:
    """Return what a signature covers: the same for `+` and `%20`, and for a name that ends one letter later."""
    params = parse_qs(call.body.decode(), keep_blank_values=True)
    return "".join(name + value for name in sorted(params) for value in sorted(set(params[name])))


def test_another_url_is_rejected_but_a_default_port_is_the_same_url() -> None:
    call = ADAPTER.sign(b"MessageSid=SM1", FORM, account(), NOW)
    elsewhere = account(webhook_url="")
    with_port = URL.replace("desk.example", "desk.example:443")
    assert is_valid(msgspec.structs.replace(call, url=with_port), elsewhere)
    assert not is_valid(msgspec.structs.replace(call, url=URL + "&c=2"), elsewhere)
    assert not is_valid(msgspec.structs.replace(call, url=URL + "&c=2"))


def test_the_option_webhook_url_counts_where_a_proxy_hides_the_url() -> None:
    call = ADAPTER.sign(b"MessageSid=SM1", FORM, account(), NOW)
    inside = msgspec.structs.replace(call, url="http://10.0.0.1:8000/v1/channels/twilio/a?b=1")
    assert is_valid(inside)
    assert not is_valid(inside, account(webhook_url=""))


def test_every_valid_token_is_accepted_during_a_rotation() -> None:
    old = msgspec.structs.replace(account(), secrets={"auth_token": ["oldest token"]})
    assert is_valid(ADAPTER.sign(b"a=b", FORM, old, NOW))
    gone = msgspec.structs.replace(account(), secrets={"auth_token": ["another"]})
    assert not is_valid(ADAPTER.sign(b"a=b", FORM, gone, NOW))


@pytest.mark.parametrize("secrets", [{}, {"auth_token": []}])
def test_an_account_without_secrets_accepts_nothing(secrets: dict[str, list[str]]) -> None:
    empty = msgspec.structs.replace(account(), secrets=secrets)
    assert not is_valid(ADAPTER.sign(b"a=b", FORM, empty, NOW), empty)


def message(**fields: Any) -> OutboundMessage:
    return OutboundMessage(reference="event-1", now=NOW, **{"last_inbound_at": NOW - 1, **fields})


ADA = Person(
    addresses=(
        Address("email", "ada@example.org"),
        Address("phone", "+4915112345678"),
        Address("page_scoped_id", "777", "999"),
    )
)
NAMELESS = Person(addresses=(addresses.bsuid("DE.1349"),))


def sent(api: TwilioApi, what: OutboundMessage, of: Account, to: Person = ADA) -> list[Any]:
    requests = ADAPTER.render(what, to, of)
    assert not isinstance(requests, Unsendable), requests
    return [ADAPTER.interpret(send(each)) for each in requests]


def api_account(api: TwilioApi, channel: str = "sms") -> Account:
    of = account(channel, api_url=api.url, account_sid=api.sid)
    return msgspec.structs.replace(of, secrets={"auth_token": [api.token]})


def test_twilio_takes_texts_media_and_choices() -> None:
    with twilio_api() as api:
        of = api_account(api)
        media = [Attachment(url=f"https://files.example/{n}") for n in range(12)]
        choices = [Choice(title="Yes"), Choice(title="More", url="https://shop.example")]
        outcomes = sent(api, message(text=HOSTILE, attachments=media, buttons=choices), of)
        assert outcomes == [Sent(f"SM{n:032x}") for n in (1, 2)]
        first, second = api.forms
        assert first["To"] == ["+4915112345678"]
        assert first["From"] == ["+15005550006"]
        assert first["Body"] == [f"{HOSTILE}\nYes\nMore: https://shop.example"]
        assert first["StatusCallback"] == [f"{URL}&reference=event-1"]
        assert [len(first["MediaUrl"]), len(second["MediaUrl"])] == [10, 2]


def test_a_long_text_is_sent_in_parts_that_are_the_text() -> None:
    with twilio_api() as api:
        text = "😀 and so on. " * 500
        sent(api, message(text=text), api_account(api))
        assert "".join(form["Body"][0] for form in api.forms) == text
        assert len(api.forms) > 4


def test_a_sender_whose_number_cannot_be_parsed_is_answered_on_whatsapp() -> None:
    unparsed, foreign = addresses.whatsapp("whatsapp:+9990001"), addresses.external_id("crm-7")
    of = account("whatsapp")
    rendered = ADAPTER.render(message(text="hi"), Person(addresses=(foreign, unparsed)), of)
    assert not isinstance(rendered, Unsendable)
    assert dict(parse_qsl(rendered[0].body.decode()))["To"] == "whatsapp:+9990001"
    unsendable = ADAPTER.render(message(text="hi"), Person(addresses=(foreign,)), of)
    assert isinstance(unsendable, Unsendable)


def test_each_channel_has_its_prefix() -> None:
    with twilio_api() as api:
        sent(api, message(text="hi"), api_account(api, "whatsapp"))
        sent(api, message(text="hi"), api_account(api, "whatsapp"), NAMELESS)
        sent(api, message(text="hi"), api_account(api, "messenger"))
        sides = [(form["From"][0], form["To"][0]) for form in api.forms]
        assert sides == [
            ("whatsapp:+15005550006", "whatsapp:+4915112345678"),
            ("whatsapp:+15005550006", "whatsapp:DE.1349"),
            ("messenger:999", "messenger:777"),
        ]


def test_whatsapp_takes_one_medium_a_message() -> None:
    with twilio_api() as api:
        media = [Attachment(url=f"https://files.example/{n}") for n in range(3)]
        assert (
            len(sent(api, message(text="x", attachments=media), api_account(api, "whatsapp"))) == 3
        )


@pytest.mark.parametrize(("age", "is_open"), [(DAY - 1, True), (DAY, False), (None, False)])
def test_whatsapp_needs_a_template_outside_its_window(age: int | None, is_open: bool) -> None:
    last = None if age is None else NOW - age
    plain = ADAPTER.render(message(text="hi", last_inbound_at=last), ADA, account("whatsapp"))
    assert isinstance(plain, Unsendable) is not is_open
    if isinstance(plain, Unsendable):
        assert plain.code == "63016"
    with twilio_api() as api:
        template = {"content_sid": "HX1", "variables": {"1": "Ada"}}
        what = message(text="hi", last_inbound_at=last, template=template)
        sent(api, what, api_account(api, "whatsapp"))
        assert ("Body" in api.forms[0]) is is_open
        assert api.forms[0].get("ContentSid") == (None if is_open else ["HX1"])


def test_a_messaging_service_chooses_the_sender() -> None:
    [request] = ADAPTER.render(message(text="hi"), ADA, account(messaging_service_sid="MG1"))  # type: ignore[misc]
    assert isinstance(request, HttpRequest)
    assert b"MessagingServiceSid=MG1" in request.body
    assert b"From=" not in request.body


def test_what_cannot_be_sent_is_said_before_it_is_sent() -> None:
    nobody = Person(addresses=(Address("email", "ada@example.org"),))
    assert isinstance(ADAPTER.render(message(text="hi"), nobody, account()), Unsendable)
    assert isinstance(
        ADAPTER.render(message(attachments=[Attachment(name="a")]), ADA, account()), Unsendable
    )


def test_an_id_of_another_system_is_no_number_and_a_template_has_a_sid() -> None:
    elsewhere = Person(addresses=(Address("external_id", "+4915112345678", "crm"),))
    assert isinstance(ADAPTER.render(message(text="hi"), elsewhere, account()), Unsendable)
    no_sid = message(template={"name": "x"})
    assert isinstance(ADAPTER.render(no_sid, ADA, account()), Unsendable)


def test_the_same_message_is_rendered_the_same_way() -> None:
    assert ADAPTER.render(message(text="x"), ADA, account()) == ADAPTER.render(
        message(text="x"), ADA, account()
    )


def test_answers_say_whether_to_try_again() -> None:
    with twilio_api() as api:
        of = api_account(api)

        def outcome(reply: Reply | None = None) -> object:
            api.next_reply = reply
            return sent(api, message(text="hi"), of)[0]

        assert isinstance(outcome(error(429, 20429)), Retry)
        assert outcome(error(429, 20429, **{"Retry-After": "7"})) == Retry(
            "there are too many requests", 7
        )
        assert isinstance(outcome(error(400, 63018)), Retry)
        assert isinstance(outcome(error(401, 20003)), Retry)
        assert isinstance(outcome(error(500, 20500)), Unknown)
        assert isinstance(outcome(Reply(502, b"<html>")), Unknown)
        assert isinstance(outcome(Reply(301, b"")), Rejected)
        assert outcome(Reply(201, b"not JSON")) == Sent(None)
        api.opted_out.add("+4915112345678")
        assert outcome() == Rejected("the provider rejected the message with status 400", "21610")
        api.landlines, api.opted_out = api.opted_out, set()
        assert outcome() == Rejected("the provider rejected the message with status 400", "21614")
        of = account(api_url=api.url, account_sid=api.sid)
        assert isinstance(outcome(), Retry)


@pytest.mark.parametrize("path", recorded("twilio"), ids=lambda path: path.name)
def test_a_recorded_call_is_read_as_it_is(path: Path) -> None:
    """Compare with a reading of the file that shares no code with the adapter."""
    raw = path.read_bytes()
    is_json = path.suffix == ".json"
    content_type = "application/json" if is_json else FORM
    fields = (
        msgspec.json.decode(raw)
        if is_json
        else dict(parse_qsl(raw.decode(), keep_blank_values=True))
    )
    call = ADAPTER.sign(raw, content_type, account(), NOW)
    assert is_valid(call)
    assert sdk_accepts(call)
    [item] = ADAPTER.parse(call, account())
    sid = fields.get("MessageSid") or fields["SmsSid"]
    if "MessageStatus" in fields:
        assert isinstance(item, ReceiptItem)
        expected = {"queued": "submitted", "undelivered": "failed"}
        status = fields["MessageStatus"]
        assert (item.message, item.status) == (sid, expected.get(status, status))
        assert (item.code, item.reason) == (fields.get("ErrorCode"), fields.get("ErrorMessage"))
        return
    assert isinstance(item, MessageItem)
    assert (item.provider_id, item.text, item.happened_at) == (sid, fields["Body"], None)
    assert len(item.attachments) == int(fields.get("NumMedia", 0))
    assert [each.url for each in item.attachments] == [
        fields[f"MediaUrl{n}"] for n in range(len(item.attachments))
    ]
    assert item.person is not None
    sender = fields["From"].replace("%2B", "+").removeprefix("whatsapp:")
    assert item.person.addresses[0].value == sender
    assert item.person.name == fields.get("ProfileName")
    assert item.channel == ("whatsapp" if fields["From"].startswith("whatsapp:") else None)
    ids = [fields[name] for name in ("ExternalUserId", "ParentExternalUserId") if name in fields]
    assert {each.value for each in item.person.addresses} >= set(ids)
