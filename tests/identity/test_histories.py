"""Random histories: people never mix, the index is the fold of the events, a merge can be undone."""

from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.channels.addresses import bsuid, phone
from ingest.channels.base import Address
from ingest.identity.binding import BindingSettings
from tests.identity.channel_log import ChannelLog

SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PEOPLE = 3

Seen = Literal["number", "id", "both", "both, id first"]
HISTORIES = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1), st.sampled_from(["number", "id", "both", "both, id first"])
    ),
    min_size=1,
    max_size=12,
)
CONTACT_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["contact.linked", "contact.unlinked", "contact.merged", "contact.unmerged"]
        ),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=20,
)


@pytest.fixture
def groups() -> list[int]:
    """Numbers of the examples: each has people of its own, on the same log."""
    return []


def _addresses(group: int, person: int, seen: str) -> tuple[Address, ...]:
    number = phone(f"49151{group:04}{person:04}")
    name = bsuid(f"DE.{group}x{person}")
    return {"number": (number,), "id": (name,), "both": (number, name)}.get(seen, (name, number))


@SLOW
@given(history=HISTORIES, by=st.sampled_from(["address", "contact"]), in_one_call=st.booleans())
def test_people_never_mix_and_split_only_before_one_call_named_both_addresses(
    log: ChannelLog,
    groups: list[int],
    history: list[tuple[int, Seen]],
    by: Literal["address", "contact"],
    in_one_call: bool,
) -> None:
    groups.append(1)
    items = [log.message(*_addresses(len(groups), *each)) for each in history]
    binding = BindingSettings(by=by)
    stored = (
        log.receive(*items, settings=binding)
        if in_one_call
        else [each for item in items for each in log.receive(item, settings=binding)]
    )

    for person in range(PEOPLE):
        mine = [
            (seen, each.place)
            for (who, seen), each in zip(history, stored, strict=True)
            if who == person
        ]
        kinds = [seen for seen, _ in mine]
        first = next((at for at, seen in enumerate(kinds) if seen.startswith("both")), len(kinds))
        expected = max(1, len(set(kinds[:first]))) if kinds else 0
        assert len({contact for _, (contact, _) in mine}) <= expected
        if expected == 1:
            assert len({place for _, place in mine}) == 1
    places = {
        person: {
            each.place for (who, _), each in zip(history, stored, strict=True) if who == person
        }
        for person in range(PEOPLE)
    }
    assert sum(map(len, places.values())) == len(set().union(*places.values()))
    assert log.index_of_addresses() == log.addresses_of_states()


@SLOW
@given(
    history=HISTORIES, pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=4)
)
def test_a_merge_that_is_undone_leaves_everyone_where_they_were(
    log: ChannelLog,
    groups: list[int],
    history: list[tuple[int, Seen]],
    pairs: list[tuple[int, int]],
) -> None:
    groups.append(1)
    binding = BindingSettings(by="contact")
    for each in history:
        log.receive(log.message(*_addresses(1000 + len(groups), *each)), settings=binding)

    def everyone() -> list[Any]:
        found = []
        for person in range(PEOPLE):
            for seen in ("number", "id"):
                message = log.message(*_addresses(1000 + len(groups), person, seen))
                (resolved,) = log.receive(message, settings=binding)
                found.append(resolved.place)
        return found

    before = everyone()
    contacts = sorted({contact for contact, _ in before})
    merged = [
        contact
        for one, other in pairs
        for contact in [contacts[one % len(contacts)]]
        if log.merge(contact, contacts[other % len(contacts)])
    ]
    during = everyone()
    for contact in merged:
        log.write_contact("contact.unmerged", contact)

    assert [contact for contact, _ in during] == [contact for contact, _ in before]
    assert everyone() == before


@SLOW
@given(history=CONTACT_EVENTS)
def test_the_index_is_the_fold_of_the_events_of_contacts(
    log: ChannelLog, groups: list[int], history: list[tuple[str, int, int]]
) -> None:
    groups.append(1)
    for event_type, contact, other in history:
        contact_id = f"contact-{len(groups)}-{contact}"
        address = {"kind": "email", "address": f"a{other}@{len(groups)}.example"}
        match event_type:
            case "contact.linked":
                log.write_contact(event_type, contact_id, channel="email", **address)
            case "contact.unlinked":
                log.write_contact(event_type, contact_id, **address)
            case "contact.merged":
                log.merge(contact_id, f"contact-{len(groups)}-{other}")
            case _:
                log.write_contact(event_type, contact_id)

    assert log.index_of_addresses() == log.addresses_of_states()
    before = log.indexes()
    log.rebuild()
    assert log.indexes() == before
