"""Which conversation a message belongs to: binding, window, closing, threads and tokens."""

from typing import Any

import pytest

from ingest.channels.addresses import email, phone, slack_user
from ingest.channels.base import Account, Item
from ingest.channels.reply_tokens import (
    key_of_recipient,
    key_of_subject,
    reply_address,
    reply_token,
    subject_with_token,
    token_key,
)
from ingest.events.draft import Draft
from ingest.identity.binding import BindingSettings
from tests.identity.channel_log import MAIL, WHATSAPP, ChannelLog, Delivered

NUMBER = phone("4915112345678")
ADA, BOB = email("ada@shop.example"), email("bob@shop.example")
THREADS = BindingSettings(has_threads=True, window_seconds=0)
"""Every mail that answers nothing begins a conversation."""
OTHER_ACCOUNT = Account(
    account_id="wa-2", provider="whatsapp_cloud", channel="whatsapp", address=""
)


def mail(log: ChannelLog, item: Item) -> Delivered:
    (found,) = log.receive(item, account=MAIL, settings=THREADS)
    return found


def conversation(delivered: Delivered) -> str:
    assert delivered.resolution.conversation_id is not None
    return delivered.resolution.conversation_id


def test_each_account_has_a_conversation_of_its_own_with_an_address(log: ChannelLog) -> None:
    (one,) = log.receive(log.message(NUMBER))
    (other,) = log.receive(log.message(NUMBER), account=OTHER_ACCOUNT)

    assert one.resolution.contact_id == other.resolution.contact_id
    assert conversation(one) != conversation(other)


@pytest.mark.parametrize(("by", "is_same"), [("address", True), ("address_and_channel", False)])
def test_two_channels_of_one_account_share_a_conversation_if_it_is_bound_to_the_address(
    log: ChannelLog, by: str, is_same: bool
) -> None:
    settings = BindingSettings(by="address" if by == "address" else "address_and_channel")
    (chat,) = log.receive(log.message(NUMBER), settings=settings)
    (sms,) = log.receive(log.message(NUMBER, channel="sms"), settings=settings)
    (again,) = log.receive(log.message(NUMBER), settings=settings)

    assert (conversation(chat) == conversation(sms)) is is_same
    assert conversation(again) == conversation(chat)
    assert sms.resolution.channel == "sms"


def test_a_message_after_the_window_begins_a_new_conversation(log: ChannelLog) -> None:
    settings = BindingSettings(window_seconds=3_600)
    (first,) = log.receive(log.message(NUMBER), settings=settings)
    log.clock.forward(minutes=59)
    (within,) = log.receive(log.message(NUMBER), settings=settings)
    log.clock.forward(minutes=61)
    late = log.message(NUMBER)
    (after,) = log.receive(late, settings=settings)
    (repeated,) = log.receive(late, settings=settings)

    assert conversation(within) == conversation(first)
    assert conversation(after) != conversation(first)
    assert conversation(repeated) == conversation(after)
    assert repeated.statuses == ["duplicate"]


def test_without_a_window_years_make_no_new_conversation(log: ChannelLog) -> None:
    (first,) = log.receive(log.message(NUMBER))
    log.clock.forward(days=900)
    (after,) = log.receive(log.message(NUMBER))

    assert conversation(after) == conversation(first)


def test_a_closed_conversation_is_continued_in_a_new_one(log: ChannelLog) -> None:
    (first,) = log.receive(log.message(NUMBER))
    closed = Draft(
        event_type="conversation.state_changed",
        conversation_id=conversation(first),
        payload={"to": "closed"},
    )
    log.write([closed], "desk")
    log.receive(log.message(NUMBER))
    (later,) = log.receive(log.message(NUMBER))

    assert conversation(later) != conversation(first)
    assert len(log.rows("conversations")) == 2
    assert len(log.rows("contacts")) == 1


def test_a_reply_finds_its_conversation_by_message_id(log: ChannelLog) -> None:
    first = mail(log, log.message(ADA, provider_id="<1@a>"))
    other = mail(log, log.message(ADA, provider_id="<2@a>"))
    reply = mail(log, log.message(ADA, provider_id="<3@a>", thread=("<1@a>",)))
    deep = mail(log, log.message(ADA, provider_id="<4@a>", thread=("<lost@a>", "<3@a>", "<2@a>")))

    assert conversation(other) != conversation(first)
    assert conversation(reply) == conversation(deep) == conversation(first)


def test_a_reply_that_comes_before_its_mail_leads_the_mail_to_its_conversation(
    log: ChannelLog,
) -> None:
    reply = mail(log, log.message(BOB, provider_id="<2@b>", thread=("<1@a>",)))
    first = mail(log, log.message(ADA, provider_id="<1@a>"))

    assert conversation(first) == conversation(reply)


def test_a_colleague_who_answers_joins_the_thread_and_keeps_a_conversation_apart(
    log: ChannelLog,
) -> None:
    first = mail(log, log.message(ADA, provider_id="<1@a>"))
    reply = mail(log, log.message(BOB, provider_id="<2@b>", thread=("<1@a>",), name=None))
    again = mail(log, log.message(BOB, provider_id="<3@b>", thread=("<2@b>",)))
    own = mail(log, log.message(BOB, provider_id="<4@b>"))

    assert conversation(reply) == conversation(again) == conversation(first)
    assert reply.resolution.participant_id == again.resolution.participant_id
    assert reply.resolution.participant_id != first.resolution.participant_id
    assert "participant.joined" in {each.event_type for each in reply.resolution.drafts}
    assert again.resolution.drafts == ()
    assert conversation(own) != conversation(first)


def test_tokens_of_the_address_and_the_subject_find_the_conversation(log: ChannelLog) -> None:
    first = mail(log, log.message(ADA, provider_id="<1@a>"))
    token = reply_token(conversation(first))
    by_address = key_of_recipient(reply_address("help@shop.example", token))
    by_subject = key_of_subject(f"AW: {subject_with_token('Your order', token)}")

    for number, key in enumerate((by_address, by_subject)):
        reply = log.message(ADA, provider_id=f"<r{number}@a>", thread=("<gone@a>", key or ""))
        assert conversation(mail(log, reply)) == conversation(first)
        log.clock.forward(days=1)


def test_a_subject_alone_joins_no_thread(log: ChannelLog) -> None:
    one = mail(log, log.message(ADA, provider_id="<1@a>", payload={"subject": "Re: Order"}))
    two = mail(log, log.message(BOB, provider_id="<2@b>", payload={"subject": "Re: Order"}))

    assert conversation(one) != conversation(two)


def test_a_mail_that_we_sent_is_found_by_what_its_submission_remembered(log: ChannelLog) -> None:
    (chat,) = log.receive(log.message(NUMBER))
    sent: dict[str, Any] = {
        "conversation_id": conversation(chat),
        "message_id": "out-1",
        "channel_account": "mail-1",
    }
    log.write(
        [
            Draft(
                event_type="message.created", participant_id="bot", participant_role="bot",
                channel="email", text="Hello", **sent,
            ),
            Draft(
                event_type="message.submitted",
                payload={"thread": ["<out-1@shop>", token_key(reply_token(conversation(chat)))]},
                **sent,
            ),
        ]
    )  # fmt: skip
    by_id = mail(log, log.message(ADA, provider_id="<1@a>", thread=("<out-1@shop>",)))
    token = token_key(reply_token(conversation(chat)))
    by_token = mail(log, log.message(ADA, provider_id="<2@a>", thread=(token,)))

    assert conversation(by_id) == conversation(by_token) == conversation(chat)


def test_keys_of_one_account_say_nothing_to_another(log: ChannelLog) -> None:
    first = mail(log, log.message(ADA, provider_id="<1@a>"))
    (other,) = log.receive(
        log.message(ADA, provider_id="<2@a>", thread=("<1@a>",)), account=WHATSAPP, settings=THREADS
    )

    assert conversation(other) != conversation(first)


def test_a_slack_thread_is_one_conversation_and_a_direct_message_another(log: ChannelLog) -> None:
    slack = Account(account_id="sl-1", provider="slack", channel="slack", address="A1")
    settings = BindingSettings(has_threads=True)
    ada, bob = slack_user("U1", "T1"), slack_user("U2", "T1")
    (root,) = log.receive(log.message(ada, provider_id="C1/1.0"), account=slack, settings=settings)
    (reply,) = log.receive(
        log.message(bob, provider_id="C1/2.0", thread=("C1/1.0",)), account=slack, settings=settings
    )
    (direct,) = log.receive(
        log.message(bob, provider_id="D1/3.0"), account=slack, settings=settings
    )

    assert conversation(reply) == conversation(root)
    assert conversation(direct) != conversation(root)


@pytest.mark.parametrize(
    "thread",
    [("\0",), ("x" * 5_000,), ("",), tuple(f"<{n}@a>" for n in range(500)), ("<ä\u200b@é>",)],
    ids=["nul", "long", "empty", "many", "unicode"],
)
def test_no_thread_key_stops_a_message(log: ChannelLog, thread: tuple[str, ...]) -> None:
    stored = mail(log, log.message(ADA, provider_id="<1@a>", thread=thread))
    again = mail(log, log.message(ADA, provider_id="<2@a>", thread=thread))

    assert {*stored.statuses, *again.statuses} == {"accepted"}


def test_a_rebuild_restores_every_index(log: ChannelLog) -> None:
    first = mail(log, log.message(ADA, provider_id="<1@a>"))
    mail(log, log.message(BOB, provider_id="<2@b>", thread=("<1@a>",)))
    log.receive(log.message(NUMBER))
    log.receive(log.message(ADA))
    log.receive(log.message(NUMBER, ADA))
    log.write_contact(
        "contact.merged",
        first.resolution.contact_id or "",
        into=str(log.rows("merge_proposals")[0][0]),
    )
    before = log.indexes()

    log.rebuild()

    assert log.indexes() == before
    assert all(before.values())
