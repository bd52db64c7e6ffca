"""One person stays one person: hidden numbers, new numbers, other channels, merges and their undoing."""

import pytest

from ingest.channels.addresses import bsuid, email, phone
from ingest.channels.base import AddressChangeItem, Person
from ingest.events.draft import Draft
from ingest.identity.binding import BindingSettings
from ingest.identity.people import person_of
from tests.identity.channel_log import MAIL, ChannelLog

NUMBER, ID = phone("4915112345678"), bsuid("DE.1349")
OTHER_NUMBER, OTHER_ID = phone("4917099999999"), bsuid("DE.7777")
ADA = email("ada@shop.example")
BY_CONTACT = BindingSettings(by="contact")


def test_a_person_stays_the_same_when_the_number_is_hidden(log: ChannelLog) -> None:
    (first,) = log.receive(log.message(NUMBER, ID))
    (hidden,) = log.receive(log.message(ID))

    assert hidden.place == first.place
    assert hidden.statuses == ["accepted"]


def test_a_person_who_was_known_by_number_is_found_by_the_id_that_came_with_it(
    log: ChannelLog,
) -> None:
    (by_number,) = log.receive(log.message(NUMBER))
    (both,) = log.receive(log.message(NUMBER, ID))
    (by_id,) = log.receive(log.message(ID))

    assert both.place == by_id.place == by_number.place
    assert len(log.rows("conversations")) == 1


@pytest.mark.parametrize(
    ("whatsapp", "dialled"),
    [("5215512345678", "+525512345678"), ("551187654321", "+5511987654321")],
)
def test_the_older_number_of_a_whatsapp_id_and_the_number_of_an_sms_are_one_person(
    log: ChannelLog, whatsapp: str, dialled: str
) -> None:
    for first, second in ((whatsapp, dialled), (dialled, whatsapp)):
        (before,) = log.receive(log.message(phone(first)))
        (after,) = log.receive(log.message(phone(second)))
        assert after.resolution.contact_id == before.resolution.contact_id
    assert len(log.rows("contacts")) == 1


def test_two_messages_of_a_new_person_in_one_call_are_of_one_person(log: ChannelLog) -> None:
    first, second, third = log.receive(
        log.message(NUMBER), log.message(NUMBER, ID), log.message(ID)
    )

    assert first.place == second.place == third.place
    assert first.statuses == ["accepted"] * 4  # contact, address, conversation, message
    assert second.statuses == ["accepted"] * 3  # address, its conversation, message
    assert third.statuses == ["accepted"]


def test_a_moved_id_leads_to_the_same_person_and_conversation(log: ChannelLog) -> None:
    (before,) = log.receive(log.message(NUMBER, ID))
    change = AddressChangeItem(
        provider_id="change-1", person=None, happened_at=log.clock(), old=ID, new=OTHER_ID
    )
    (changed,) = log.receive(change)
    (after,) = log.receive(log.message(OTHER_NUMBER, OTHER_ID))
    (late,) = log.receive(log.message(ID))

    assert changed.statuses == ["accepted"] * 2
    assert changed.resolution.contact_id == before.resolution.contact_id
    assert after.place == late.place == before.place
    assert {(each[1], each[4]) for each in log.index_of_addresses()} == {
        (NUMBER.value, True), (ID.value, False), (OTHER_ID.value, True), (OTHER_NUMBER.value, True),
    }  # fmt: skip


def test_the_next_owner_of_an_old_number_is_another_person(log: ChannelLog) -> None:
    (before,) = log.receive(log.message(NUMBER))
    log.receive(AddressChangeItem(provider_id="c", person=None, old=NUMBER, new=OTHER_NUMBER))
    (stranger,) = log.receive(log.message(NUMBER))

    assert stranger.resolution.contact_id != before.resolution.contact_id
    assert stranger.resolution.conversation_id != before.resolution.conversation_id
    assert log.rows("merge_proposals") == []


def test_an_address_change_of_an_unknown_person_makes_the_person_known(log: ChannelLog) -> None:
    person = Person(addresses=(OTHER_ID,), name="Ada")
    (changed,) = log.receive(
        AddressChangeItem(provider_id="c", person=person, old=ID, new=OTHER_ID)
    )
    (message,) = log.receive(log.message(OTHER_ID))

    assert message.resolution.contact_id == changed.resolution.contact_id
    assert changed.resolution.conversation_id is None


def test_addresses_of_two_people_in_one_call_are_proposed_once_and_never_merged(
    log: ChannelLog,
) -> None:
    (by_number,) = log.receive(log.message(NUMBER))
    (by_id,) = log.receive(log.message(ID))
    (both,) = log.receive(log.message(NUMBER, ID))
    (again,) = log.receive(log.message(ID, NUMBER))

    assert both.place == by_number.place
    assert again.place == by_id.place
    assert [each.event_type for each in both.resolution.drafts] == ["contact.merge_proposed"]
    assert again.resolution.drafts == ()
    ((contact_id, other_id, _),) = log.rows("merge_proposals")
    assert (contact_id, other_id) == (
        by_number.resolution.contact_id,
        by_id.resolution.contact_id,
    )


def test_merged_people_share_a_conversation_until_the_merge_is_undone(log: ChannelLog) -> None:
    (by_chat,) = log.receive(log.message(NUMBER), settings=BY_CONTACT)
    (by_mail,) = log.receive(log.message(ADA), account=MAIL, settings=BY_CONTACT)
    assert by_mail.place != by_chat.place
    before = log.indexes()
    ada, number = by_mail.resolution.contact_id or "", by_chat.resolution.contact_id or ""

    log.write_contact("contact.merged", ada, into=number)
    (merged,) = log.receive(log.message(ADA), account=MAIL, settings=BY_CONTACT)
    (reply,) = log.receive(log.message(NUMBER), settings=BY_CONTACT)
    assert merged.resolution.conversation_id == reply.resolution.conversation_id
    assert merged.resolution.contact_id == ada

    log.write_contact("contact.unmerged", ada)
    (apart,) = log.receive(log.message(ADA), account=MAIL, settings=BY_CONTACT)
    (alone,) = log.receive(log.message(NUMBER), settings=BY_CONTACT)
    assert (apart.place, alone.place) == (by_mail.place, by_chat.place)
    assert log.indexes()["contact_addresses"] == before["contact_addresses"]
    assert log.indexes()["channel_threads"] == before["channel_threads"]


def test_an_email_continues_the_conversation_of_a_chat(log: ChannelLog) -> None:
    (chat,) = log.receive(log.message(NUMBER, ID), settings=BY_CONTACT)
    contact_id = chat.resolution.contact_id or ""
    log.write_contact(
        "contact.linked", contact_id, channel="email", address=ADA.value, kind="email"
    )
    (mail,) = log.receive(log.message(ADA), account=MAIL, settings=BY_CONTACT)

    assert mail.place == chat.place
    assert mail.resolution.channel == "email"


@pytest.mark.parametrize("chain", [("a", "b", "c"), ("a", "b", "a"), ("a", "a")])
def test_merges_never_form_a_circle(log: ChannelLog, chain: tuple[str, ...]) -> None:
    for name in ("a", "b", "c"):
        log.write_contact("contact.created", name)
    statuses = [
        log.write([Draft(event_type="contact.merged", contact_id=each, payload={"into": into})])
        for each, into in zip(chain, (*chain[1:], chain[0]), strict=True)
    ]

    assert statuses[-1] == ["rejected"]


def test_an_older_link_names_its_kind_by_its_channel(log: ChannelLog) -> None:
    log.write_contact("contact.linked", "ada", channel="whatsapp", address="+49 151 12345678")
    log.write_contact("contact.linked", "ada", channel="email", address="Ada@Shop.example")
    log.write_contact("contact.linked", "ada", channel="web", address="user\0-7")
    (by_chat,) = log.receive(log.message(NUMBER))
    (by_mail,) = log.receive(log.message(ADA), account=MAIL)

    assert by_chat.resolution.contact_id == by_mail.resolution.contact_id == "ada"


def test_a_profile_name_does_not_replace_what_an_agent_wrote(log: ChannelLog) -> None:
    (first,) = log.receive(log.message(NUMBER))
    contact_id = first.resolution.contact_id or ""
    (named,) = log.receive(log.message(NUMBER, name="ada ✨"))
    log.write_contact("contact.updated", contact_id, attributes={"name": "Ada Lovelace"})
    (again,) = log.receive(log.message(NUMBER, name="ada 🌵"))

    assert [each.event_type for each in named.resolution.drafts] == ["contact.updated"]
    assert again.resolution.drafts == ()


def test_an_item_without_a_person_or_an_address_belongs_to_no_person(log: ChannelLog) -> None:
    anonymous, nameless = log.receive(log.message(person=None), log.message())

    assert anonymous.place == nameless.place == (None, None)
    assert log.rows("contacts") == []


def test_a_broken_clock_of_a_provider_loses_no_message(log: ChannelLog) -> None:
    (stored,) = log.receive(log.message(NUMBER, happened_at=0))

    assert set(stored.statuses) == {"accepted"}
    assert stored.resolution.drafts[0].happened_at is None


def test_a_person_is_reached_at_every_current_address_of_the_merged_contacts(
    log: ChannelLog,
) -> None:
    (chat,) = log.receive(log.message(NUMBER, name="Ada"))
    log.receive(log.message(NUMBER, ID))
    (mail,) = log.receive(log.message(ADA), account=MAIL)
    contact_id = chat.resolution.contact_id or ""
    assert log.merge(mail.resolution.contact_id or "", contact_id)

    assert person_of(log.engine, contact_id) == Person(addresses=(ID, NUMBER, ADA), name="Ada")
    assert person_of(log.engine, "unknown") is None
