"""Who may query who saw what: an admin. An analyst reads all other events, whatever the query says."""

import pytest

from ingest.settings import Settings
from tests.api_server import Installation
from tests.factories import Record, make_conversation
from warehouse.query_process import Answer, QueryError, RunningQuery

SEARCHED = "a-word-that-noor-searched"


@pytest.fixture(scope="module")
def settings(audit_api: Installation) -> Settings:
    audit_api.post_events(make_conversation("c1"))
    act = {"role": "reviewer", "filters": {"text": SEARCHED}}
    body = {"participant_id": "noor", "act": act}
    assert audit_api.post("/v1/audit/transcript-searches", body).status_code == 201
    record = Record(audit_api.settings, audit_api.clock)
    record.seal()
    record.load()
    return audit_api.settings


def run(settings: Settings, query: str, *, reads_audit: bool = False) -> Answer:
    with RunningQuery(settings.warehouse_path, query, reads_audit=reads_audit) as running:
        while (answer := running.wait(0.1)) is None:
            pass
    return answer


SHOWS = (
    "select filters from audit_events",
    "select filters from lake.main.audit_events",
    'select filters from main."AUDIT_EVENTS"',
    "select payload from lake.main.events",
    "select payload from lake.events",
    "select payload from main.Events",
    "with e as (from lake.main.events) select payload from e",
    "select (select max(payload) from lake.events) as found",
    "select * from ducklake_table_insertions('lake', 'main', 'events', 0, 100000)",
    "select * from lake.table_changes('events', 0, 100000)",
    "summarize lake.main.events",
    "describe audit_events",
    "select payload from lake.main.events at (version => 1)",
    "select * from (pivot lake.main.events on shard using max(payload))",
)


@pytest.mark.parametrize("query", SHOWS)
def test_an_analyst_does_not_read_who_saw_what(settings: Settings, query: str) -> None:
    with pytest.raises(QueryError) as caught:
        run(settings, query)
    assert SEARCHED not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize("query", [SHOWS[0], SHOWS[1], SHOWS[3]])
def test_an_admin_does(settings: Settings, query: str) -> None:
    """The control: the word is there to be found."""
    found = run(settings, query, reads_audit=True).frame
    assert any(SEARCHED in str(value) for row in found.iter_rows() for value in row)


@pytest.mark.parametrize(
    "query",
    [
        "from events",
        "with e as (from Events) select e.* from e join messages using (conversation_id)",
    ],
)
def test_an_analyst_reads_every_other_event(settings: Settings, query: str) -> None:
    found = run(settings, query).frame
    assert "c1" in found["conversation_id"].to_list()
    assert SEARCHED not in str(found.to_dicts())


def test_only_the_events_of_who_saw_what_are_missing(settings: Settings) -> None:
    count = "select count(*) as n from events"
    every, others, hidden = (
        run(settings, query, reads_audit=may).frame["n"][0]
        for query, may in (
            (count, True),
            (count, False),
            ("select count(*) as n from audit_events", True),
        )
    )
    assert (every - others, hidden) == (1, 1)
