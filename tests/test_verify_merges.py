"""`verify` follows merges of contacts by its own code. Each damage is a control of one check."""

from collections.abc import Callable

import pytest

from convolake.verify import verify
from convolake.verify_merges import STORE, WAREHOUSE, follow, person_of
from convolake.verify_warehouse import Check
from tests.adbc_process import run_in_adbc_process
from tests.factories import Record, damage, make_conversation, make_event
from warehouse.lake import connect


def change(event_type: str, contact_id: str, **payload: str) -> dict[str, object]:
    changed = make_event(event_type, contact_id=contact_id, payload=payload)
    del changed["conversation_id"]
    return changed


@pytest.fixture
def merged(record: Record) -> Record:
    """A record in which Ada is merged into Bob, and Bob into Eve; Kim was, and is not any more."""
    people = ("ada", "bob", "eve", "kim")
    record.write([change("contact.created", each) for each in people])
    for number, each in enumerate(people):
        record.write(make_conversation(f"c{number}", contact_id=each))
    for contact, into in (("ada", "bob"), ("bob", "eve"), ("kim", "eve")):
        record.write([change("contact.merged", contact, into=into)])
    record.seal()
    record.load()
    record.write([change("contact.unmerged", "kim")])
    record.seal()
    record.load()
    return record


def broken(record: Record) -> list[Check]:
    found = run_in_adbc_process(verify, record.settings)
    return [check for check in found.checks if not check.ok]


def test_store_and_warehouse_follow_a_merge_and_its_undoing(merged: Record) -> None:
    assert broken(merged) == []
    rows = merged.query("select conversation_id, contact_id from conversation_facts order by 1")
    assert [each["contact_id"] for each in rows] == ["eve", "eve", "eve", "kim"]


def test_a_merge_that_is_not_loaded_yet_is_no_divergence(merged: Record) -> None:
    merged.write([change("contact.unmerged", "ada")])
    assert broken(merged) == []


def in_warehouse(statement: str) -> Callable[[Record], None]:
    def harm(record: Record) -> None:
        with connect(record.settings.warehouse_path, read_only=False) as con:
            con.execute(statement)

    return harm


def in_log(statement: str) -> Callable[[Record], None]:
    return lambda record: damage(record.settings, statement)


VIEW = "create or replace view merged_contacts as select contact_id, {} as person_id, changed_on from contact_merges"
DAMAGES: dict[str, tuple[Callable[[Record], None], str, str]] = {
    "a lost merge": (in_log("update contacts set merged_into = null where contact_id = 'ada'"), STORE, "contact ada"),
    "another merge": (in_log("update contacts set merged_into = 'kim' where contact_id = 'bob'"), STORE, "contact bob"),
    "a merge without an event": (
        in_log("update contacts set merged_into = 'ada' where contact_id = 'eve'"), STORE, "contact eve",
    ),
    "an undoing that is not followed": (in_warehouse(VIEW.format("'eve'")), WAREHOUSE, "contact kim"),
    "a merge that is followed one step only": (
        in_warehouse(f"{VIEW.format('merged_into')} where merged_into <> '' and contact_id <> 'kim'"), WAREHOUSE, "contact ada",
    ),
    "a merge of another contact": (
        in_warehouse("update contact_merges set contact_id = 'eve' where contact_id = 'ada'"), WAREHOUSE, "contact ada",
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", DAMAGES)
def test_verify_reports_each_divergence_with_its_place(merged: Record, name: str) -> None:
    harm, check_name, place = DAMAGES[name]
    harm(merged)
    found = [check for check in broken(merged) if check.name == check_name]
    assert [place in each.detail for each in found] == [True], found


def test_merges_in_a_circle_have_an_end() -> None:
    merges = follow([("a", "contact.merged", '{"into": "b"}'), ("b", "contact.merged", '{"into": "a"}')])  # fmt: skip
    assert person_of("a", merges) in ("a", "b")
