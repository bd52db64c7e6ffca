"""WhatsApp Cloud webhooks become the right items, with and without a phone number."""

import json
from typing import Any

import pytest

from ingest.channels.addresses import whatsapp
from ingest.channels.base import (
    Address,
    AddressChangeItem,
    DeletionItem,
    EditItem,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    ReactionItem,
    ReceiptItem,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.meta.whatsapp.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.meta_bodies import (
    BSUID,
    NUMBER,
    OWN_NUMBER,
    PARENT,
    change,
    contact,
    echo,
    interactive,
    media,
    status,
    system,
    whatsapp_body,
    whatsapp_message,
    whatsapp_messages,
    whatsapp_statuses,
    with_text,
)
from tests.channels.meta_calls import items_of, only, real_bodies
from tests.channels.recorded import recorded

PHONE = Address("phone", f"+{NUMBER}")
USER_ID = Address("bsuid", BSUID)
ADA = Person(addresses=(PHONE, USER_ID), name="Ada")


def read(body: Any) -> list[Inbound]:
    return items_of(ADAPTER, body)


def message(fields: dict[str, Any]) -> MessageItem:
    return only(MessageItem, read(whatsapp_messages(fields)))


def test_a_text_has_its_sender_by_every_id_its_time_and_its_id() -> None:
    assert only(MessageItem, read(with_text("Hello"))) == MessageItem(
        provider_id="wamid.text",
        person=ADA,
        happened_at=1_790_000_000_000_000,
        text="Hello",
        payload={"whatsapp": {"type": "text"}},
    )


def test_a_person_without_a_visible_number_is_known_by_the_business_scoped_id() -> None:
    sender = {"from_user_id": BSUID, "from_parent_user_id": PARENT}
    hidden = {
        "profile": {"name": "Ada", "username": "ada"},
        "user_id": BSUID,
        "parent_user_id": PARENT,
    }
    text = {"id": "wamid.1", "timestamp": "1790000000", "type": "text", "text": {"body": "Hi"}}
    item = only(
        MessageItem, read(whatsapp_body(change(contacts=[hidden], messages=[{**sender, **text}])))
    )
    assert item.text == "Hi"
    assert item.person == Person(
        addresses=(USER_ID, Address("parent_bsuid", PARENT)),
        name="Ada",
        attributes={"username": "ada"},
    )


def test_the_contact_links_number_and_business_scoped_id() -> None:
    text = whatsapp_message("text", text={"body": "Hi"})
    del text["from_user_id"]
    item = only(MessageItem, read(whatsapp_messages(text)))
    assert item.person == ADA


def test_a_contact_with_another_spelling_of_the_number_is_the_only_sender() -> None:
    text = whatsapp_message("text", text={"body": "Oi"}) | {"from": "5511987654321"}
    del text["from_user_id"]
    old = contact(wa_id="551187654321")
    item = only(MessageItem, read(whatsapp_body(change(contacts=[old], messages=[text]))))
    assert item.person is not None
    assert item.person.addresses == (
        Address("phone", "+5511987654321"),
        Address("phone", "+551187654321"),
        USER_ID,
    )


def test_people_of_one_body_are_not_mixed_up() -> None:
    ben = whatsapp_message("text", text={"body": "Ben"}) | {
        "from": "4917611122233",
        "from_user_id": "DE.2",
        "id": "wamid.2",
    }
    ada = whatsapp_message("text", text={"body": "Ada"})
    first, second = read(whatsapp_messages(ben, ada))
    assert isinstance(first, MessageItem)
    assert first.person == Person(
        addresses=(Address("phone", "+4917611122233"), Address("bsuid", "DE.2"))
    )
    assert isinstance(second, MessageItem)
    assert second.person == ADA


def test_every_message_of_every_change_of_every_entry_is_read() -> None:
    changes = [
        change(
            contacts=[contact()],
            messages=[whatsapp_message("text", text={"body": f"{n}"}) | {"id": f"w{n}"}],
        )
        for n in range(4)
    ]
    body = whatsapp_body(*changes[:2])
    body["entry"] += whatsapp_body(*changes[2:])["entry"]
    assert [each.text for each in read(body) if isinstance(each, MessageItem)] == list("0123")


def test_a_message_without_any_id_of_a_person_is_unreadable_alone() -> None:
    broken = whatsapp_message("text", text={"body": "Who?"})
    del broken["from"], broken["from_user_id"]
    good = whatsapp_message("text", text={"body": "Me"})
    body = whatsapp_body(change(messages=[broken, good]))
    first, second = read(body)
    assert isinstance(first, UnreadableItem)
    assert (first.reason, json.loads(first.raw)) == ("the message names no customer", broken)
    assert isinstance(second, MessageItem)


@pytest.mark.parametrize("kind", ["image", "audio", "video", "document", "sticker"])
def test_media_are_attachments_by_their_id(kind: str) -> None:
    item = message(media(kind, caption="Look", filename="a.pdf", voice=True))
    expected = Attachment(
        url="https://graph.facebook.com/v23.0/4711", content_type="a/b", name="a.pdf"
    )
    assert item.attachments == (expected,)
    assert item.text == "Look"
    assert item.payload["whatsapp"][kind]["sha256"] == "x"


def test_a_place_contact_cards_and_an_order_are_attachments_too() -> None:
    place = whatsapp_message(
        "location", location={"latitude": 1.5, "longitude": -2.25, "name": "Home"}
    )
    assert message(place).attachments == (Attachment(url="geo:1.5,-2.25", name="Home"),)
    cards = whatsapp_message(
        "contacts", contacts=[{"name": {"formatted_name": "Ben"}}, {"phones": []}]
    )
    assert message(cards).attachments == (
        Attachment(content_type="text/vcard", name="Ben"),
        Attachment(content_type="text/vcard"),
    )
    lines = [{"product_retailer_id": "CAKE", "quantity": 2}]
    order = message(whatsapp_message("order", order={"text": "Please", "product_items": lines}))
    assert (order.text, order.attachments) == ("Please", (Attachment(name="2 × CAKE"),))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (whatsapp_message("button", button={"text": "Yes", "payload": "y"}), "Yes"),
        (interactive("button_reply", id="1", title="Cake"), "Cake"),
        (interactive("list_reply", id="1", title="Pie", description="Sweet"), "Pie"),
        (interactive("nfm_reply", body="Sent", response_json="{}"), "Sent"),
    ],
)
def test_a_choice_is_a_message_with_the_title(fields: dict[str, Any], text: str) -> None:
    item = message(fields | {"context": {"id": "wamid.asked", "from": OWN_NUMBER}})
    assert (item.text, item.in_reply_to) == (text, "wamid.asked")


@pytest.mark.parametrize(
    ("reaction", "expected"),
    [({"emoji": "👍"}, "👍"), ({"emoji": ""}, None), ({}, None)],
)
def test_a_reaction_has_an_id_of_its_own(reaction: dict[str, str], expected: str | None) -> None:
    fields = whatsapp_message("reaction", reaction={"message_id": "wamid.x", **reaction})
    item = only(ReactionItem, read(whatsapp_messages(fields)))
    assert (item.provider_id, item.message, item.reaction) == (
        "wamid.reaction",
        "wamid.x",
        expected,
    )


@pytest.mark.parametrize("fields", [{"unsupported": {"type": "poll"}}, {}])
def test_what_has_no_type_is_kept_with_its_data(fields: dict[str, Any]) -> None:
    sent = whatsapp_message("unsupported", errors=[{"code": 131051}], **fields)
    item = only(OtherItem, read(whatsapp_messages(sent)))
    assert (item.kind, item.provider_id, item.person) == ("unsupported", "wamid.unsupported", ADA)
    assert item.data == sent
    assert item.happened_at == 1_790_000_000_000_000


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("Account.Update!", "account_update"),
        ("2fa", "kind_2fa"),
        ("漢字", "kind"),
        ("a" * 90, "a" * 32),
    ],
)
def test_a_kind_is_a_name_that_an_event_may_have(field: str, kind: str) -> None:
    assert only(OtherItem, read(whatsapp_body(change(field)))).kind == kind


def test_unknown_fields_of_the_webhook_and_errors_are_kept() -> None:
    unknown = change("Account.Update!", event="BAN")
    errors = change(errors=[{"code": 131000}], calls=[{"id": "c"}])
    items = read(whatsapp_body(unknown, errors))
    assert [each.kind for each in items if isinstance(each, OtherItem)] == [
        "account_update",
        "error",
        "calls",
    ]
    assert [each.data for each in items if isinstance(each, OtherItem)][1:] == [
        {"code": 131000},
        {"value": [{"id": "c"}]},
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [("sent", "submitted"), ("delivered", "delivered"), ("read", "read"), ("played", "read")],
)
def test_a_status_is_a_receipt(state: str, expected: str) -> None:
    item = only(
        ReceiptItem, read(whatsapp_statuses(status(state, biz_opaque_callback_data="send-1")))
    )
    assert (item.message, item.status) == ("wamid.sent", expected)
    assert item.provider_id == f"wamid.sent:{state}:1790000001"
    assert (item.person, item.happened_at) == (ADA, 1_790_000_001_000_000)
    assert item.client_reference == "send-1"


def test_a_failed_status_says_why() -> None:
    error = {"code": 131026, "title": "Message undeliverable", "error_data": {"details": "…"}}
    item = only(ReceiptItem, read(whatsapp_statuses(status("failed", errors=[error]))))
    assert (item.status, item.code, item.reason) == ("failed", "131026", "Message undeliverable")


def test_a_status_of_a_person_without_a_number_names_the_business_scoped_id() -> None:
    hidden = status("read")
    del hidden["recipient_id"]
    item = only(ReceiptItem, read(whatsapp_body(change(statuses=[hidden]))))
    assert item.person == Person(addresses=(USER_ID,))


def test_a_group_has_one_receipt_for_each_member() -> None:
    group = {"recipient_id": "group-1", "recipient_type": "group"}
    both = [
        status("read", **group, recipient_participant_id=number, recipient_user_id=None)
        for number in ("4915112345678", "4917611122233")
    ]
    items = [
        each for each in read(whatsapp_body(change(statuses=both))) if isinstance(each, ReceiptItem)
    ]
    assert [each.person and each.person.addresses[0].value for each in items] == [
        "+4915112345678",
        "+4917611122233",
    ]
    assert {each.thread for each in items} == {("group:group-1",)}
    assert len({each.provider_id for each in items}) == 2


def test_an_unknown_status_is_kept() -> None:
    item = only(OtherItem, read(whatsapp_statuses(status("warning"))))
    assert (item.kind, item.person) == ("status_warning", ADA)


def test_a_message_from_the_business_app_is_an_agents() -> None:
    item = only(MessageItem, read(echo("text", text={"body": "I am Ben"})))
    assert (item.author, item.text, item.person) == ("agent", "I am Ben", ADA)


def test_edits_and_deletions_name_their_message() -> None:
    text = {"type": "text", "text": {"body": "New"}}
    edit = only(
        EditItem, read(echo("edit", edit={"original_message_id": "wamid.o", "message": text}))
    )
    assert (edit.message, edit.text, edit.provider_id) == ("wamid.o", "New", "wamid.echo.edit")
    assert edit.author == "agent"
    deletion = only(DeletionItem, read(echo("revoke", revoke={"original_message_id": "wamid.o"})))
    assert (deletion.message, deletion.person) == ("wamid.o", ADA)


def test_a_new_number_moves_the_number_and_the_business_scoped_id() -> None:
    items = read(
        system(
            type="user_changed_number",
            wa_id="4915187654321",
            user_id="DE.9",
            previous_user_id=BSUID,
        )
    )
    changes = [(each.old, each.new) for each in items if isinstance(each, AddressChangeItem)]
    assert changes == [
        (PHONE, Address("phone", "+4915187654321")),
        (USER_ID, Address("bsuid", "DE.9")),
    ]
    assert [each.person for each in items if isinstance(each, AddressChangeItem)] == [
        Person(addresses=(PHONE, USER_ID)),
        Person(addresses=(Address("phone", "+4915187654321"), USER_ID)),
    ]


def test_a_new_user_id_is_a_change_of_address_in_both_documented_forms() -> None:
    renamed = {"previous": BSUID, "current": "DE.9"}
    parents = {"previous": PARENT, "current": "DE.ENT.9"}
    old = change(
        "user_id_update",
        user_id_update=[{"user_id": renamed, "parent_user_id": parents, "timestamp": "1790000003"}],
    )
    new = system(
        type="user_changed_user_id",
        user_id="DE.9",
        previous_user_id=BSUID,
        parent_user_id="DE.ENT.9",
        previous_parent_user_id=PARENT,
    )
    for body in (whatsapp_body(old), new):
        changes = [
            (each.old.value, each.new.value)
            for each in read(body)
            if isinstance(each, AddressChangeItem)
        ]
        assert changes == [(BSUID, "DE.9"), (PARENT, "DE.ENT.9")]


def test_the_former_user_id_may_be_in_the_text_of_a_system_message_without_a_sender() -> None:
    told = system(
        type="user_changed_user_id",
        user_id="DE.9",
        body=f"User A to B changed from {BSUID} to DE.9",
    )
    sent = told["entry"][0]["changes"][0]["value"]["messages"][0]
    del sent["from"], sent["from_user_id"]
    item = only(AddressChangeItem, read(told))
    assert (item.old, item.new, item.person) == (
        USER_ID,
        Address("bsuid", "DE.9"),
        Person(addresses=(USER_ID,)),
    )
    sent["system"]["body"] = "User Ada changed"
    kept = only(OtherItem, read(told))
    assert (kept.kind, kept.person) == ("system", Person(addresses=(Address("bsuid", "DE.9"),)))


def test_a_message_without_a_sender_is_that_of_the_only_contact() -> None:
    card = whatsapp_message("contacts", contacts=[{"vcard": "BEGIN:VCARD", "phones": []}])
    del card["from"], card["from_user_id"]
    hidden = {"profile": {"name": "Ada"}, "user_id": BSUID}
    item = only(MessageItem, read(whatsapp_body(change(contacts=[hidden], messages=[card]))))
    assert item.person == Person(addresses=(USER_ID,), name="Ada")


def test_a_group_is_the_thread_of_its_messages() -> None:
    sent = whatsapp_message("text", text={"body": "Hi"}, group_id="120@g.us")
    assert message(sent).thread == ("group:120@g.us",)


def test_a_system_message_that_names_no_change_is_kept() -> None:
    item = only(OtherItem, read(system(type="customer_identity_changed", identity="x")))
    assert item.kind == "system"


@pytest.mark.parametrize("time", ["soon", "", None, "-1", "99999999999999999999", "0", "१७"])
def test_a_time_that_is_none_is_left_out(time: Any) -> None:
    item = message(whatsapp_message("text", text={"body": "Hi"}) | {"timestamp": time})
    assert (item.text, item.happened_at) == ("Hi", None)


# --- real bodies, against an independent reading


def expected_text(sent: dict[str, Any]) -> str | None:
    kind = sent["type"]
    inner = sent.get(kind) or {}
    if kind == "text":
        return str(inner["body"])
    if kind == "button":
        return str(inner["text"])
    if kind == "interactive" and inner:
        return str(inner[inner["type"]]["title"])
    return inner.get("caption") if isinstance(inner, dict) else None


def expected_kind(sent: dict[str, Any]) -> str:
    kinds = {"reaction": "ReactionItem", "revoke": "DeletionItem", "edit": "EditItem"}
    kinds["unsupported"] = "OtherItem"
    if sent["type"] == "interactive" and "interactive" not in sent:
        return "OtherItem"
    return kinds.get(sent["type"], "MessageItem")


def check_message(item: Inbound, sent: dict[str, Any], customer: Any, author: str) -> None:
    assert not isinstance(item, UnreadableItem)
    assert type(item).__name__ == expected_kind(sent)
    assert item.provider_id == sent["id"]
    assert item.happened_at == int(sent["timestamp"]) * 1_000_000
    assert item.person is not None
    assert whatsapp(customer) in item.person.addresses
    if isinstance(item, MessageItem):
        assert (item.text, item.author) == (expected_text(sent), author)
        assert item.in_reply_to == sent.get("context", {}).get("id")


@pytest.mark.parametrize("path", recorded("whatsapp_cloud"), ids=lambda path: path.name)
def test_a_real_body_is_read_as_it_says(path: Any) -> None:
    for raw in real_bodies(path):
        try:
            body = json.loads(raw)
        except ValueError:
            with pytest.raises(UnreadableCallError, match="not JSON"):
                read(raw)
            continue
        items = iter(read(raw))
        values = [each["value"] for entry in body["entry"] for each in entry["changes"]]
        for value in values:
            for sent in value.get("messages", ()):
                check_message(next(items), sent, sent["from"], "customer")
            for sent in value.get("message_echoes", ()):
                own = value["metadata"]["display_phone_number"]
                check_message(
                    next(items), sent, sent["from" if sent["to"] == own else "to"], "agent"
                )
            for sent in value.get("statuses", ()):
                check_status(next(items), sent)
            for _ in value.get("errors", ()):
                assert isinstance(next(items), OtherItem)
        assert next(items, None) is None


def check_status(item: Inbound, sent: dict[str, Any]) -> None:
    assert isinstance(item, ReceiptItem)
    states = {"sent": "submitted", "played": "read"}
    assert (item.message, item.status) == (sent["id"], states.get(sent["status"], sent["status"]))
    assert item.happened_at == int(sent["timestamp"]) * 1_000_000
    assert item.code == (str(sent["errors"][0]["code"]) if "errors" in sent else None)
    recipient = sent.get("recipient_participant_id") or sent["recipient_id"]
    assert item.person is not None
    assert whatsapp(recipient) in item.person.addresses
