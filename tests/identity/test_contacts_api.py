"""Contacts over HTTP: found by address, proposals, merging and its undoing."""

import msgspec
import pytest
from fastapi.testclient import TestClient

from ingest.channels.addresses import bsuid, phone
from ingest.channels.base import MessageItem, Person
from ingest.identity.binding import BindingSettings
from ingest.identity.resolver import Resolver
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import Clock, make_event
from tests.identity.channel_log import WHATSAPP

NUMBER, ID = phone("4915112345678"), bsuid("DE.1349")


def post(api: TestClient, path: str, status: int = 201, **body: object) -> None:
    answer = api.post(f"/v1{path}", json=body)
    assert answer.status_code == status, answer.text


def owners(api: TestClient, kind: str, value: str) -> list[str]:
    answer = api.get("/v1/contacts", params={"kind": kind, "value": value})
    assert answer.status_code == 200, answer.text
    return [each["contact_id"] for each in answer.json()["items"]]


def test_a_contact_is_found_by_its_address_in_any_spelling(api: TestClient) -> None:
    post(api, "/contacts", contact_id="ada")
    post(api, "/contacts/ada/addresses", channel="sms", address="+49 (0)151 / 12345678")
    post(api, "/contacts/ada/addresses", channel="email", address="ADA@Bücher.example")

    assert owners(api, "phone", "4915112345678") == ["ada"]
    assert owners(api, "email", "Ada <ada@xn--bcher-kva.example>") == ["ada"]
    assert owners(api, "email", "bob@shop.example") == []
    post(api, "/contacts/ada/addresses/unlink", kind="phone", address="4915112345678")
    assert owners(api, "phone", "4915112345678") == []
    found = api.get("/v1/contacts/ada").json()
    assert [each["address"] for each in found["former_addresses"]] == ["+4915112345678"]


def test_an_address_that_two_contacts_have_is_found_with_both(api: TestClient) -> None:
    for name in ("bob", "ada"):
        post(api, "/contacts", contact_id=name)
        post(api, f"/contacts/{name}/addresses", channel="email", address="home@shop.example")

    assert owners(api, "email", "home@shop.example") == ["bob", "ada"]


def test_conversations_follow_a_merge_and_its_undoing(api: TestClient) -> None:
    for number, contact in enumerate(("ada", "bob", "eve")):
        post(api, "/contacts", contact_id=contact)
        created = make_event(
            "conversation.created", conversation_id=f"c{number}", contact_id=contact
        )
        post(api, "/events", 201, **created)

    def conversations(contact: str) -> list[str]:
        page = api.get("/v1/conversations", params={"contact_id": contact}).json()
        return [each["conversation_id"] for each in page["items"]]

    post(api, "/contacts/bob/merge", into="ada")
    post(api, "/contacts/ada/merge", into="eve")
    assert (
        conversations("ada") == conversations("eve") == conversations("bob") == ["c2", "c1", "c0"]
    )
    circle = api.post("/v1/contacts/eve/merge", json={"into": "bob"})
    assert circle.status_code == 422
    post(api, "/contacts/ada/unmerge")
    assert conversations("eve") == ["c2"]
    assert conversations("bob") == ["c1", "c0"]


@pytest.fixture
def proposed(api: TestClient, settings: Settings, clock: Clock) -> tuple[str, str]:
    """Two contacts of one call: of its number, and of its id."""
    engine = open_engine(settings.database_url)
    places = []
    for addresses in ((NUMBER,), (ID,), (NUMBER, ID)):
        message = MessageItem(provider_id=addresses[-1].value, person=Person(addresses=addresses))
        (found,) = Resolver(engine, clock).resolve(WHATSAPP, BindingSettings(), [message])
        for draft in found.drafts:
            post(api, "/events", 201, **msgspec.to_builtins(draft))
        places.append(found.contact_id or "")
    engine.dispose()
    return places[0], places[1]


def test_a_proposal_is_listed_until_it_is_accepted(
    api: TestClient, proposed: tuple[str, str]
) -> None:
    by_number, by_id = proposed
    (listed,) = api.get("/v1/merge-proposals").json()["items"]

    assert (listed["contact_id"], listed["other_contact_id"]) == (by_number, by_id)
    assert [each["kind"] for each in listed["addresses"]] == ["phone", "bsuid"]
    post(api, f"/contacts/{by_id}/merge", into=by_number)
    assert api.get("/v1/merge-proposals").json()["items"] == []
    post(api, f"/contacts/{by_id}/unmerge")
    assert len(api.get("/v1/merge-proposals").json()["items"]) == 1


def test_a_declined_proposal_is_not_listed_and_the_pair_is_not_proposed_again(
    api: TestClient, proposed: tuple[str, str], settings: Settings, clock: Clock
) -> None:
    by_number, by_id = proposed
    path = f"/contacts/{by_number}/decline-merge"
    post(api, path, other_contact_id=by_id, decided_by="mira")
    assert api.get("/v1/merge-proposals").json()["items"] == []
    post(api, path, 404, other_contact_id=by_id)
    post(api, path, 404, other_contact_id="eve")
    engine = open_engine(settings.database_url)
    both = Person(addresses=(NUMBER, ID))
    again = MessageItem(provider_id="again", person=both)
    (found,) = Resolver(engine, clock).resolve(WHATSAPP, BindingSettings(), [again])
    engine.dispose()
    assert [each for each in found.drafts if each.event_type == "contact.merge_proposed"] == []


def test_contacts_of_a_declined_proposal_can_still_be_merged(
    api: TestClient, proposed: tuple[str, str]
) -> None:
    by_number, by_id = proposed
    post(api, f"/contacts/{by_number}/decline-merge", other_contact_id=by_id)
    post(api, f"/contacts/{by_id}/merge", into=by_number, decided_by="mira")
    assert api.get(f"/v1/contacts/{by_id}").json()["merged_into"] == by_number
    post(api, f"/contacts/{by_id}/unmerge", decided_by="mira")
    assert api.get("/v1/merge-proposals").json()["items"] == []


def test_the_proposals_of_one_contact_name_it_on_either_side(
    api: TestClient, proposed: tuple[str, str]
) -> None:
    for name in proposed:
        found = api.get("/v1/merge-proposals", params={"contact_id": name}).json()["items"]
        assert [(each["contact_id"], each["other_contact_id"]) for each in found] == [proposed]
    assert api.get("/v1/merge-proposals", params={"contact_id": "eve"}).json()["items"] == []


def test_proposals_are_listed_page_by_page(api: TestClient) -> None:
    for number in range(5):
        event = make_event(
            "contact.merge_proposed", contact_id=f"a{number}", conversation_id=None
        ) | {"payload": {"other_contact_id": f"b{number}"}}
        post(api, "/events", 201, **{name: value for name, value in event.items() if value})
    found, cursor = [], None
    for _ in range(3):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get("/v1/merge-proposals", params=params).json()
        found += [each["contact_id"] for each in page["items"]]
        cursor = page["cursor"]

    assert found == ["a4", "a3", "a2", "a1", "a0"]
    assert cursor is None
