"""Bodies of Meta's webhooks in the forms that its reference documents, written for these tests."""

from typing import Any

JSON = dict[str, Any]

NUMBER, BSUID, PARENT = "4915112345678", "DE.7421093558", "DE.ENT.5520771349"
OWN_NUMBER = "493055500100"


def whatsapp_body(*changes: JSON) -> JSON:
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "777", "changes": list(changes)}],
    }


def change(field: str = "messages", **value: Any) -> JSON:
    metadata = {"display_phone_number": OWN_NUMBER, "phone_number_id": "555"}
    frame = {"messaging_product": "whatsapp", "metadata": metadata}
    return {"field": field, "value": {**frame, **value}}


def contact(**fields: Any) -> JSON:
    return {"profile": {"name": "Ada"}, "wa_id": NUMBER, "user_id": BSUID, **fields}


def whatsapp_message(kind: str, **fields: Any) -> JSON:
    frame = {
        "from": NUMBER,
        "from_user_id": BSUID,
        "id": f"wamid.{kind}",
        "timestamp": "1790000000",
    }
    return {**frame, "type": kind, **fields}


def whatsapp_messages(*messages: JSON, **value: Any) -> JSON:
    return whatsapp_body(change(contacts=[contact()], messages=list(messages), **value))


def with_text(text: str) -> JSON:
    return whatsapp_messages(whatsapp_message("text", text={"body": text}))


def status(state: str, **fields: Any) -> JSON:
    frame = {"id": "wamid.sent", "status": state, "timestamp": "1790000001"}
    return {**frame, "recipient_id": NUMBER, "recipient_user_id": BSUID, **fields}


def whatsapp_statuses(*statuses: JSON) -> JSON:
    return whatsapp_body(change(contacts=[contact()], statuses=list(statuses)))


def echo(kind: str, **fields: Any) -> JSON:
    frame = {"from": OWN_NUMBER, "to": NUMBER, "to_user_id": BSUID, "id": f"wamid.echo.{kind}"}
    message = {**frame, "timestamp": "1790000002", "type": kind, **fields}
    return whatsapp_body(
        change("smb_message_echoes", contacts=[contact()], message_echoes=[message])
    )


def media(kind: str, **fields: Any) -> JSON:
    return whatsapp_message(
        kind, **{kind: {"id": "4711", "mime_type": "a/b", "sha256": "x", **fields}}
    )


def interactive(kind: str, **reply: Any) -> JSON:
    return whatsapp_message("interactive", interactive={"type": kind, kind: reply})


def system(**fields: Any) -> JSON:
    message = whatsapp_message("system", system={"body": "User Ada changed", **fields})
    return whatsapp_body(change(messages=[message]))


WHATSAPP_CASES: list[JSON] = [
    with_text("Hello"),
    whatsapp_messages(
        media("image", caption="Look"), media("document", filename="a.pdf"), media("sticker")
    ),
    whatsapp_messages(
        whatsapp_message(
            "location", location={"latitude": 1.5, "longitude": -2.25, "name": "Home"}
        ),
        whatsapp_message("contacts", contacts=[{"name": {"formatted_name": "Ben"}, "phones": []}]),
    ),
    whatsapp_messages(
        whatsapp_message("reaction", reaction={"message_id": "wamid.x", "emoji": "👍"}),
        whatsapp_message(
            "order", order={"product_items": [{"product_retailer_id": "CAKE", "quantity": 2}]}
        ),
        whatsapp_message(
            "button", button={"text": "Yes", "payload": "yes"}, context={"id": "wamid.x"}
        ),
        interactive("list_reply", id="1", title="Cake", description="Sweet"),
        errors=[{"code": 131000, "title": "Something went wrong"}],
    ),
    whatsapp_statuses(status("sent"), status("delivered"), status("read"), status("played")),
    whatsapp_statuses(status("failed", errors=[{"code": 131026, "title": "Undeliverable"}])),
    echo("text", text={"body": "I am Ben"}),
    echo(
        "edit",
        edit={
            "original_message_id": "wamid.o",
            "message": {"type": "text", "text": {"body": "New"}},
        },
    ),
    echo("revoke", revoke={"original_message_id": "wamid.o"}),
    system(
        type="user_changed_number", wa_id="4915187654321", user_id="DE.9", previous_user_id=BSUID
    ),
    whatsapp_body(
        change(
            "user_id_update",
            user_id_update=[
                {"user_id": {"previous": BSUID, "current": "DE.9"}, "timestamp": "1790000003"}
            ],
        ),
        change("message_template_status_update", event="APPROVED"),
    ),
]

PAGE, PERSON = "900", "31415926535"


def page_body(*events: JSON, **entry: Any) -> JSON:
    frame = {"id": PAGE, "time": 1790000000500}
    return {"object": "page", "entry": [{**frame, "messaging": list(events), **entry}]}


def event(**fields: Any) -> JSON:
    frame = {"sender": {"id": PERSON}, "recipient": {"id": PAGE}, "timestamp": 1790000000123}
    return {**frame, **fields}


def message_event(mid: str = "m_1", /, **message: Any) -> JSON:
    return event(message={"mid": mid, **message})


def echo_event(mid: str = "m_2", /, **message: Any) -> JSON:
    sent = message_event(mid, is_echo=True, app_id=1, **message)
    return {**sent, "sender": {"id": PAGE}, "recipient": {"id": PERSON}}


MESSENGER_CASES: list[JSON] = [
    page_body(
        message_event("m_1", text="Hello"),
        message_event("m_2", text="Yes", quick_reply={"payload": "yes"}),
        message_event("m_3", text="That", reply_to={"mid": "m_0"}),
    ),
    page_body(
        message_event(
            "m_1",
            attachments=[
                {"type": "image", "payload": {"url": "https://cdn.example/a.jpg", "sticker_id": 1}},
                {"type": "location", "payload": {"coordinates": {"lat": 1.5, "long": -2.25}}},
                {
                    "type": "fallback",
                    "url": "https://shop.example",
                    "title": "Shop",
                    "payload": None,
                },
            ],
        )
    ),
    page_body(echo_event("m_1", text="I am Ben", metadata="reference-1")),
    page_body(event(delivery={"mids": ["m_1", "m_2"], "watermark": 1790000000000})),
    page_body(event(read={"watermark": 1790000000000})),
    page_body(event(postback={"mid": "m_4", "title": "Start", "payload": "start"})),
    page_body(event(message_edit={"mid": "m_1", "text": "Better", "num_edit": 1})),
    page_body(event(reaction={"mid": "m_1", "action": "react", "reaction": "love", "emoji": "❤"})),
    page_body(event(pass_thread_control={"new_owner_app_id": 1}), event(referral={"ref": "a"})),
    page_body(event(optin={"user_ref": "box-1"}, sender=None)),
    page_body(standby=[message_event("m_5", text="To the other app")], messaging=[]),
    page_body(changes=[{"field": "feed", "value": {"item": "comment"}}], messaging=[]),
]

ACCOUNT, USER = "900", "27182818284"


def instagram_body(*events: JSON, **entry: Any) -> JSON:
    return {**page_body(*events, **entry), "object": "instagram"}


def instagram_event(**fields: Any) -> JSON:
    return {**event(**fields), "sender": {"id": USER}, "recipient": {"id": ACCOUNT}}


def instagram_message(mid: str = "ig_1", /, **message: Any) -> JSON:
    return instagram_event(message={"mid": mid, **message})


INSTAGRAM_CASES: list[JSON] = [
    instagram_body(instagram_message("ig_1", text="Hi"), instagram_message("ig_2", text="there")),
    instagram_body(
        instagram_message(
            "ig_3", text="Nice", reply_to={"story": {"id": "s", "url": "https://cdn.example/s"}}
        ),
        instagram_message(
            "ig_4",
            attachments=[{"type": "story_mention", "payload": {"url": "https://cdn.example/m"}}],
        ),
        instagram_message(
            "ig_5",
            attachments=[{"type": "unsupported_type", "payload": {"url": "https://cdn.example/u"}}],
        ),
    ),
    instagram_body(instagram_message("ig_1", is_deleted=True)),
    instagram_body(instagram_event(read={"mid": "ig_9"})),
    instagram_body(instagram_event(reaction={"mid": "ig_1", "action": "unreact"})),
    instagram_body(
        changes=[
            {
                "field": "messages",
                "value": {**instagram_message("ig_6", text="New form"), "timestamp": "1790000000"},
            },
            {"field": "comments", "value": {"id": "1", "text": "First!"}},
        ],
        messaging=[],
    ),
]
