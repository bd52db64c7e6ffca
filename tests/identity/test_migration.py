"""A log of the version before identity: its contacts and conversations are found after the migrations."""

import pytest

from ingest.channels.addresses import email, phone
from ingest.events.conversation_state import decode_conversation
from ingest.events.timers import LifecyclePolicy
from ingest.log.rebuild import needs_rebuild, rebuild_projections
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.store import Store
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation
from tests.identity.channel_log import MAIL, ChannelLog
from tests.older_store import downgrade_to_reviews

PEOPLE = [
    {"event_type": "contact.created", "contact_id": contact, "payload": {"attributes": {"n": 1}}}
    for contact in ("ada", "bob")
] + [
    {"event_type": "contact.linked", "contact_id": contact, "payload": payload}
    for contact, payload in (
        ("ada", {"channel": "whatsapp", "address": "+49 151 12345678"}),
        ("ada", {"channel": "email", "address": "ADA@shop.example"}),
        ("bob", {"channel": "sms", "address": "+4917099999999"}),
    )
]
MERGED = {"event_type": "contact.merged", "contact_id": "bob", "payload": {"into": "ada"}}


def upgrade(settings: Settings) -> bool:
    """Migrate, and rebuild the states as the API does at its start; return whether that was needed."""
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    is_needed = needs_rebuild(engine)
    if is_needed:
        store = Store(engine)
        store.begin(store.last_position())
        rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
        store.close()
    engine.dispose()
    return is_needed


@pytest.mark.sqlite
@pytest.mark.parametrize("has_conversations", [True, False])
def test_people_of_an_older_log_are_found_by_their_addresses(
    settings: Settings, clock: Clock, record: Record, has_conversations: bool
) -> None:
    """Also if the log has contacts only."""
    talk = make_conversation("c1", contact_id="ada", channel="whatsapp")
    record.write([*PEOPLE, MERGED, *(talk if has_conversations else [])])
    engine = open_engine(settings.database_url)
    log = ChannelLog(engine, settings, clock)
    before = log.rows("contacts"), log.rows("contact_addresses"), log.rows("conversations")
    downgrade_to_reviews(settings)
    engine.dispose()

    assert upgrade(settings)
    assert (log.rows("contacts"), log.rows("contact_addresses")) == before[:2]
    assert [row[0] for row in log.rows("conversations")] == [row[0] for row in before[2]]
    (said,) = log.receive(log.message(phone("4915112345678")))
    (mailed,) = log.receive(log.message(email("ada@shop.example")), account=MAIL)
    assert said.resolution.contact_id == mailed.resolution.contact_id == "ada"
    assert not upgrade(settings)
    log.close()


@pytest.mark.sqlite
def test_an_older_log_without_contacts_keeps_its_states(settings: Settings, record: Record) -> None:
    record.write(make_conversation("c1"))
    downgrade_to_reviews(settings)

    assert not upgrade(settings)


@pytest.mark.sqlite
def test_an_older_log_in_which_a_reader_has_left_gets_its_states_again(
    settings: Settings, record: Record
) -> None:
    ada = {"conversation_id": "c1", "participant_id": "ada", "participant_role": "customer"}
    has_read = ada | {"event_type": "participant.read_advanced", "payload": {"sequence": 2}}
    record.write([*make_conversation("c1"), has_read, ada | {"event_type": "participant.left"}])
    downgrade_to_reviews(settings)

    assert upgrade(settings)
    (row,) = record.log("select projection from conversations")
    assert decode_conversation(row["projection"]).left_readers["ada"].read_sequence == 2
    assert not upgrade(settings)
