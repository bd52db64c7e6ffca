"""Messages that Meta's adapters write are ones that Meta takes, and its answers mean what Meta says."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.channels.addresses import whatsapp
from ingest.channels.base import (
    Account,
    Address,
    Answer,
    ChannelAdapter,
    Choice,
    HttpRequest,
    Interpretation,
    OutboundMessage,
    Person,
    Rejected,
    Retry,
    Sent,
    Unknown,
    Unsendable,
)
from ingest.events.payloads import Attachment
from tests.channels.meta_calls import ADAPTERS, NOW, account
from tests.channels.stand_ins.meta import MetaStandIn, meta_stand_in

HOUR = 3600 * 1_000_000
WHATSAPP, MESSENGER, INSTAGRAM = ADAPTERS
adapters = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: each.provider)
BASES = {"whatsapp_cloud": "whatsapp", "messenger": "messenger", "instagram": "instagram"}
PEOPLE = {
    "whatsapp_cloud": Person(
        addresses=(Address("phone", "+4915112345678"), Address("bsuid", "DE.1"))
    ),
    "messenger": Person(addresses=(Address("page_scoped_id", "31", "900"),)),
    "instagram": Person(addresses=(Address("instagram_id", "27", "900"),)),
}
HIDDEN = Person(addresses=(Address("bsuid", "DE.1"), Address("parent_bsuid", "DE.ENT.1")))
TEMPLATE = {"name": "hello", "language": "de"}
OUTSIDE: dict[str, Any] = {"last_inbound_at": NOW - 25 * HOUR}


@pytest.fixture(scope="module")
def server() -> Iterator[MetaStandIn]:
    with meta_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def meta(server: MetaStandIn) -> MetaStandIn:
    server.token, server.now = "token-1", NOW
    server.last_inbound = dict.fromkeys(("4915112345678", "DE.1", "31", "27"), NOW - HOUR)
    server.taken.clear()
    server.fault = lambda: None
    return server


def outbound(**fields: Any) -> OutboundMessage:
    return OutboundMessage(
        **{"reference": "send-1", "now": NOW, "last_inbound_at": NOW - HOUR, **fields}
    )


def own(adapter: ChannelAdapter, meta: MetaStandIn) -> Account:
    return account(adapter, api_url=f"{meta.url}/{BASES[adapter.provider]}")


def post(request: HttpRequest) -> Answer:
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request(request.method, url.path, request.body, dict(request.headers))
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = Answer(status=response.status, headers=headers, body=response.read())
    connection.close()
    return answer


def rendered(
    adapter: ChannelAdapter,
    meta: MetaStandIn,
    message: OutboundMessage,
    person: Person | None = None,
) -> list[HttpRequest]:
    requests = adapter.render(message, person or PEOPLE[adapter.provider], own(adapter, meta))
    assert not isinstance(requests, Unsendable), requests.reason
    return [request for request in requests if isinstance(request, HttpRequest)]


def send(
    adapter: ChannelAdapter, meta: MetaStandIn, person: Person | None = None, **fields: Any
) -> list[Interpretation]:
    requests = rendered(adapter, meta, outbound(**fields), person)
    return [adapter.interpret(post(request)) for request in requests]


def unsendable(adapter: ChannelAdapter, **fields: Any) -> Unsendable:
    result = adapter.render(outbound(**fields), PEOPLE[adapter.provider], account(adapter))
    assert isinstance(result, Unsendable)
    return result


@adapters
def test_a_text_is_taken_and_its_id_known(adapter: ChannelAdapter, meta: MetaStandIn) -> None:
    [result] = send(adapter, meta, text="Hello 👋", in_reply_to="asked")
    [taken] = meta.taken
    assert result == Sent(taken.provider_id)
    assert "Hello 👋" in (
        taken.body.get("text", {}).get("body"),
        taken.body.get("message", {}).get("text"),
    )
    assert taken.body.get("context", taken.body.get("reply_to")) in (
        {"message_id": "asked"},
        {"mid": "asked"},
    )


def test_the_reference_of_the_send_is_what_statuses_and_echoes_return(meta: MetaStandIn) -> None:
    send(WHATSAPP, meta, text="Hello")
    send(MESSENGER, meta, text="Hello")
    whatsapp, messenger = meta.taken
    assert whatsapp.body["biz_opaque_callback_data"] == "send-1"
    assert messenger.body["message"]["metadata"] == "send-1"


def texts_of(meta: MetaStandIn) -> list[str]:
    return [
        taken.body["text"]["body"] if taken.product == "whatsapp" else taken.body["message"]["text"]
        for taken in meta.taken
    ]


@adapters
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=st.text(alphabet="aé漢👩‍🚀 \n", min_size=1, max_size=60), times=st.integers(1, 200))
def test_a_text_of_any_length_is_taken_in_parts_that_join_to_it(
    adapter: ChannelAdapter, meta: MetaStandIn, text: str, times: int
) -> None:
    whole = f"a{text * times}z"
    meta.taken.clear()
    results = send(adapter, meta, text=whole)
    assert all(isinstance(result, Sent) for result in results)
    assert "".join("".join(texts_of(meta)).split()) == "".join(whole.split())


@adapters
@pytest.mark.parametrize(
    ("content_type", "kinds"),
    [
        ("image/jpeg", ("image",)),
        ("video/mp4", ("video",)),
        ("audio/ogg; codecs=opus", ("audio",)),
        ("application/pdf", ("document", "file")),
        (None, ("document", "file")),
    ],
)
def test_media_go_by_their_url(
    adapter: ChannelAdapter, meta: MetaStandIn, content_type: str | None, kinds: tuple[str, ...]
) -> None:
    file = Attachment(url="https://shop.example/a", content_type=content_type, name="a.pdf")
    assert [type(each) for each in send(adapter, meta, text="Look", attachments=[file])] == [
        Sent,
        Sent,
    ]
    body = meta.taken[-1].body
    assert body.get("type", body.get("message", {}).get("attachment", {}).get("type")) in kinds


@adapters
def test_an_attachment_without_a_url_cannot_be_sent(adapter: ChannelAdapter) -> None:
    assert "URL" in unsendable(adapter, attachments=[Attachment(name="a")]).reason
    assert "URL" in unsendable(adapter, attachments=[Attachment(url="file:///etc/a")]).reason


@adapters
def test_a_message_without_content_or_recipient_cannot_be_sent(adapter: ChannelAdapter) -> None:
    assert "no content" in unsendable(adapter, text="  \n").reason
    stranger = Person(addresses=(Address("email", "ada@example.org"),))
    assert isinstance(adapter.render(outbound(text="Hi"), stranger, account(adapter)), Unsendable)


# --- WhatsApp


def test_a_number_that_cannot_be_parsed_is_answered_as_the_provider_wrote_it(
    meta: MetaStandIn,
) -> None:
    number = whatsapp("9990001")
    assert number.kind == "external_id"
    unparsed = Person(addresses=(Address("external_id", "ada-of-the-crm"), number))
    (request,) = rendered(WHATSAPP, meta, outbound(text="Hi"), unparsed)
    assert json.loads(request.body)["to"] == "9990001"
    known = Person(addresses=(number, Address("phone", "+4915112345678")))
    (request,) = rendered(WHATSAPP, meta, outbound(text="Hi"), known)
    assert json.loads(request.body)["to"] == "4915112345678"


def test_a_number_goes_to_to_and_a_business_scoped_id_to_recipient(meta: MetaStandIn) -> None:
    send(WHATSAPP, meta, text="Hello")
    send(WHATSAPP, meta, HIDDEN, text="Hello")
    number, hidden = meta.taken
    assert (number.body["to"], "recipient" in number.body) == ("4915112345678", False)
    assert (hidden.body["recipient"], "to" in hidden.body) == ("DE.1", False)


def test_a_parent_id_is_used_only_without_a_number_and_without_a_users_own_id(
    meta: MetaStandIn,
) -> None:
    parent, own_id = Address("parent_bsuid", "DE.ENT.1"), Address("bsuid", "DE.1")
    meta.last_inbound[parent.value] = NOW
    send(WHATSAPP, meta, Person(addresses=(parent, own_id)), text="Hello")
    send(WHATSAPP, meta, Person(addresses=(parent,)), text="Hello")
    assert [each.body["recipient"] for each in meta.taken] == [own_id.value, parent.value]


def test_an_answer_in_a_group_goes_to_the_group(meta: MetaStandIn) -> None:
    meta.last_inbound["120@g.us"] = NOW
    [result] = send(WHATSAPP, meta, text="Hello", thread=["wamid.1", "group:120@g.us", "wamid.2"])
    assert isinstance(result, Sent)
    assert (meta.taken[0].body["to"], meta.taken[0].body["recipient_type"]) == ("120@g.us", "group")


@pytest.mark.parametrize(
    ("count", "kind"), [(1, "button"), (3, "button"), (4, "list"), (10, "list")]
)
@pytest.mark.parametrize("field", ["quick_replies", "buttons"])
def test_choices_are_buttons_or_a_list(
    meta: MetaStandIn, count: int, kind: str, field: str
) -> None:
    choices = [Choice(f"Choice {n}", f"c{n}") for n in range(count)]
    fields: dict[str, Any] = {field: choices}
    [result] = send(WHATSAPP, meta, text="Which?", **fields)
    assert isinstance(result, Sent)
    assert meta.taken[0].body["interactive"]["type"] == kind


def test_a_link_button_is_sent_alone(meta: MetaStandIn) -> None:
    link = Choice("Open", url="https://shop.example")
    [result] = send(WHATSAPP, meta, text="Shop", buttons=[link])
    assert isinstance(result, Sent)
    assert unsendable(WHATSAPP, text="Shop", buttons=[link, Choice("No")]).code == "131009"


def test_a_long_text_with_buttons_has_them_at_its_end(meta: MetaStandIn) -> None:
    results = send(WHATSAPP, meta, text="a" * 1500, buttons=[Choice("Yes")])
    assert [type(result) for result in results] == [Sent, Sent]
    assert [taken.body["type"] for taken in meta.taken] == ["text", "interactive"]


@pytest.mark.parametrize(
    "choices",
    [[Choice("x" * 25)] * 4, [Choice("x" * 21)], [Choice("")], [Choice(f"{n}") for n in range(11)]],
)
def test_choices_beyond_whatsapps_limits_cannot_be_sent(choices: list[Choice]) -> None:
    assert unsendable(WHATSAPP, text="Which?", quick_replies=choices).code == "131009"


@pytest.mark.parametrize("last", [None, NOW - 24 * HOUR, NOW - 25 * HOUR])
def test_outside_the_window_whatsapp_takes_templates_only(
    meta: MetaStandIn, last: int | None
) -> None:
    assert unsendable(WHATSAPP, text="Hello", last_inbound_at=last).code == "131047"
    meta.last_inbound = {}
    [result] = send(WHATSAPP, meta, text="Hello", template=TEMPLATE, last_inbound_at=last)
    assert isinstance(result, Sent)
    assert meta.taken[0].body["template"] == {"name": "hello", "language": {"code": "de"}}


def test_the_last_moment_of_the_window_is_inside(meta: MetaStandIn) -> None:
    meta.last_inbound = {"4915112345678": NOW - 24 * HOUR + 1}
    [result] = send(WHATSAPP, meta, text="Hello", last_inbound_at=NOW - 24 * HOUR + 1)
    assert isinstance(result, Sent)


def test_a_template_needs_a_name_and_a_language() -> None:
    assert unsendable(WHATSAPP, template={"name": "hello"}, **OUTSIDE).code == "131008"


def test_an_authentication_template_needs_a_number(meta: MetaStandIn) -> None:
    template = {"name": "auth_code", "language": {"code": "de"}}
    [result] = send(WHATSAPP, meta, HIDDEN, template=template, **OUTSIDE)
    assert isinstance(result, Rejected)
    assert result.code == "131062"


# --- Messenger and Instagram

platforms = pytest.mark.parametrize(
    "adapter", [MESSENGER, INSTAGRAM], ids=lambda each: each.provider
)


@platforms
def test_quick_replies_and_buttons_are_taken(adapter: ChannelAdapter, meta: MetaStandIn) -> None:
    replies = [Choice(f"Choice {n}") for n in range(13)]
    buttons = [Choice("Yes"), Choice("No", "no"), Choice("Shop", url="https://shop.example")]
    results = [
        *send(adapter, meta, text="Which?", quick_replies=replies),
        *send(adapter, meta, text="x" * 700, buttons=buttons),
    ]
    assert [type(result) for result in results] == [Sent] * 3


@platforms
@pytest.mark.parametrize(
    "fields",
    [
        {"quick_replies": [Choice("x")] * 14},
        {"quick_replies": [Choice("x" * 21)]},
        {"buttons": [Choice("x")] * 4},
        {"buttons": [Choice("x", "v" * 1001)]},
    ],
)
def test_choices_beyond_the_limits_cannot_be_sent(
    adapter: ChannelAdapter, fields: dict[str, Any]
) -> None:
    assert unsendable(adapter, text="Which?", **fields).code == "100"


@platforms
def test_outside_the_window_a_tag_is_needed(adapter: ChannelAdapter, meta: MetaStandIn) -> None:
    assert unsendable(adapter, text="Hello", **OUTSIDE).code == "10/2018278"
    human: dict[str, Any] = {"template": {"tag": "HUMAN_AGENT"}}
    meta.last_inbound = {}
    [result] = send(adapter, meta, text="Hello", **human, **OUTSIDE)
    assert isinstance(result, Sent)
    assert meta.taken[0].body["tag"] == "HUMAN_AGENT"
    late: dict[str, Any] = {"last_inbound_at": NOW - 8 * 24 * HOUR}
    assert unsendable(adapter, text="Hello", **human, **late).code == "10/2018278"
    assert (
        unsendable(adapter, text="Hi", is_automatic=True, **human, **OUTSIDE).code == "10/2018278"
    )


def test_a_person_of_the_checkbox_plugin_is_named_by_reference(meta: MetaStandIn) -> None:
    meta.last_inbound["box-1"] = NOW
    box = Person(addresses=(Address("external_id", "box-1", "900"),))
    [result] = send(MESSENGER, meta, box, text="Hello")
    assert isinstance(result, Sent)
    assert meta.taken[0].body["recipient"] == {"user_ref": "box-1"}


# --- answers


@adapters
def test_the_stand_in_rejects_what_the_adapters_never_write(
    adapter: ChannelAdapter, meta: MetaStandIn
) -> None:
    meta.token = "another"  # noqa: S105
    [result] = send(adapter, meta, text="Hello")
    assert isinstance(result, Retry)
    assert "190" in result.reason
    meta.token, meta.last_inbound = "token-1", {}
    [late] = send(adapter, meta, text="Hello")
    assert isinstance(late, Rejected)
    assert late.code in ("131047", "10/2018278")
    [request] = rendered(adapter, meta, outbound(text="Hello"))
    for broken in (b"{", b"{}", b"[]", request.body.replace(b'"Hello"', b'""')):
        answer = post(HttpRequest(url=request.url, headers=request.headers, body=broken))
        assert isinstance(adapter.interpret(answer), Rejected)
    assert meta.taken == []


def failed(code: int, status: int = 400, **fields: Any) -> Answer:
    error = {"message": "…", "type": "OAuthException", "code": code, **fields}
    return Answer(status=status, headers={}, body=json.dumps({"error": error}).encode())


@pytest.mark.parametrize("code", [2, 4, 613, 1200, 80007, 130429, 131016, 131056, 190])
def test_limits_and_outages_are_tried_again(code: int) -> None:
    assert isinstance(WHATSAPP.interpret(failed(code)), Retry)


@pytest.mark.parametrize("code", [10, 100, 200, 551, 131026, 131047, 131051, 131062, 132001, 99999])
def test_what_meta_will_never_take_is_rejected_with_its_code(code: int) -> None:
    result = WHATSAPP.interpret(failed(code))
    assert isinstance(result, Rejected)
    assert result.code == str(code)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (failed(1, 500, error_subcode=1357046), Unknown),
        (Answer(status=500, headers={}, body=b"<html>"), Unknown),
        (Answer(status=408, headers={}, body=b""), Unknown),
        (Answer(status=200, headers={}, body=b"not json"), Unknown),
        (Answer(status=200, headers={}, body=b"{}"), Unknown),
        (Answer(status=200, headers={}, body=b"[" * 100_000), Unknown),
        (Answer(status=503, headers={}, body=b""), Retry),
        (Answer(status=404, headers={}, body=b""), Rejected),
        (failed(99999, 400, is_transient=True), Retry),
        (failed(100, 400, error_subcode=2018001), Rejected),
    ],
)
def test_an_answer_without_a_clear_meaning_is_unknown(answer: Answer, expected: type) -> None:
    assert isinstance(MESSENGER.interpret(answer), expected)


def test_the_wait_that_the_provider_asks_for_is_kept() -> None:
    asked = Answer(status=429, headers={"retry-after": "17"}, body=b"")
    assert WHATSAPP.interpret(asked) == Retry("the provider answered 429", 17)
    pair = WHATSAPP.interpret(failed(131056))
    assert isinstance(pair, Retry)
    assert pair.after == 6


@settings(max_examples=300, deadline=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=50))
def test_any_answer_has_a_meaning(status: int, body: bytes) -> None:
    result = WHATSAPP.interpret(Answer(status=status, headers={}, body=body))
    assert isinstance(result, Sent | Retry | Rejected | Unknown)
    assert not isinstance(result, Sent)
