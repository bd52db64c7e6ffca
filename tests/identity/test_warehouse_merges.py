"""The warehouse follows merges: a conversation belongs to the person, now, and to the contact again after an unmerge."""

from tests.factories import Record, make_event

PEOPLE = "select conversation_id, contact_id from conversation_facts order by conversation_id"


def test_conversations_follow_merges_and_unmerges_of_later_loads(record: Record) -> None:
    created = [
        make_event("conversation.created", conversation_id=f"c{number}", contact_id=contact)
        for number, contact in enumerate(("ada", "bob"))
    ]
    contacts = [
        {"event_type": "contact.created", "contact_id": contact}
        for contact in ("ada", "bob", "eve")
    ]

    def people() -> list[str]:
        return [row["contact_id"] for row in record.query(PEOPLE)]

    record.publish([*contacts, *created])
    before = people()
    for contact, into in (("bob", "ada"), ("ada", "eve")):
        record.publish(
            [{"event_type": "contact.merged", "contact_id": contact, "payload": {"into": into}}]
        )
    merged = people()
    persons = record.query("select contact_id, person_id from contacts order by contact_id")
    record.publish([{"event_type": "contact.unmerged", "contact_id": "ada"}])

    assert before == ["ada", "bob"]
    assert merged == ["eve", "eve"]
    assert [row["person_id"] for row in persons] == ["eve", "eve", "eve"]
    assert people() == ["ada", "ada"]
