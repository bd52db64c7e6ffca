"""The rules of the log: order, duplicates, sessions, state and durable commits."""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from convolake.verify import verify
from ingest.errors import LogUnavailableError, OutcomeUnknownError
from ingest.events.draft import Draft
from ingest.events.timers import LifecyclePolicy
from ingest.events.types import EVENT_TYPES, rules_of
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.store import Store
from ingest.log.storage.tables import metadata
from ingest.log.thread_writer import ThreadWriter
from ingest.log.unit_of_work import UnitOfWork
from ingest.log.writer_requests import Acknowledgement
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import (
    MINUTE,
    START,
    Clock,
    Ids,
    Record,
    make_conversation,
    make_event,
    make_submission,
    sample_payload,
)

ALL = "select * from events order by position"

RULES = LifecyclePolicy.from_settings(Settings())


def statuses(answers: list[Acknowledgement]) -> list[str]:
    return [answer.status for answer in answers]


def test_positions_and_sequences_begin_with_1_and_have_no_gap(record: Record) -> None:
    record.write([*make_conversation("c1", 3), *make_conversation("c2", 2)])
    rows = record.log(ALL)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    for conversation_id in ("c1", "c2"):
        sequences = [row["sequence"] for row in rows if row["conversation_id"] == conversation_id]
        assert sequences == list(range(1, len(sequences) + 1))


def test_a_conversation_begins_with_its_creation_and_then_its_session(record: Record) -> None:
    record.write(make_conversation())
    types = [row["event_type"] for row in record.log(ALL)]
    assert types == [
        "conversation.created",
        "session.started",
        "message.created",
        "message.created",
    ]


def test_a_repeated_event_is_a_duplicate_with_the_sequence_of_the_first(record: Record) -> None:
    first = record.write(make_conversation())
    again = record.write(make_conversation())
    assert statuses(again) == ["duplicate"] * 3
    assert [answer.sequence for answer in again] == [answer.sequence for answer in first]
    assert len(record.log(ALL)) == 4


def test_an_event_twice_in_one_commit_is_stored_once(record: Record) -> None:
    answers = record.write([*make_conversation(), *make_conversation()])
    assert statuses(answers) == ["accepted"] * 3 + ["duplicate"] * 3


def test_the_same_id_with_another_body_is_a_conflict_and_the_first_event_is_kept(
    record: Record,
) -> None:
    record.write(make_conversation())
    answers = record.write([make_event(event_id="c1-m0", text="something else")])
    assert statuses(answers) == ["conflict"]
    assert [row["text"] for row in record.log(ALL) if row["event_id"] == "c1-m0"] == ["message 0"]


def test_the_order_of_payload_keys_does_not_matter(record: Record) -> None:
    record.write([make_event("conversation.created")])
    one = make_event(event_id="e", payload={"a": 1, "b": {"c": 2, "d": 3}})
    other = make_event(event_id="e", payload={"b": {"d": 3, "c": 2}, "a": 1})
    assert statuses(record.write([one])) == ["accepted"]
    assert statuses(record.write([other])) == ["duplicate"]


def test_two_sources_may_use_the_same_event_id(record: Record) -> None:
    record.write(
        [make_event("conversation.created"), make_event(event_id="e", text="one")], source="one"
    )
    answers = record.write([make_event(event_id="e", text="two")], source="two")
    assert statuses(answers) == ["accepted"]


def test_a_session_ends_after_thirty_minutes_at_the_time_it_was_due(record: Record) -> None:
    record.write(make_conversation())
    record.clock.forward(minutes=29, seconds=59)
    record.write([make_event(event_id="in-time")])
    record.clock.forward(minutes=30)
    record.write([make_event(event_id="too-late")])
    rows = record.log(ALL)
    assert [row["event_type"] for row in rows[-4:]] == [
        "message.created", "session.ended", "session.started", "message.created",
    ]  # fmt: skip
    in_time, ended, started, late = rows[-4:]
    assert ended["happened_at"] == in_time["happened_at"] + 30 * MINUTE
    assert ended["session_id"] == in_time["session_id"] != started["session_id"]
    assert started["session_id"] == late["session_id"]
    assert ended["caused_by"] is None  # a timer ended it, not an event


def test_a_late_event_with_an_old_time_opens_no_session(record: Record) -> None:
    record.write(make_conversation())
    before = (START - timedelta(days=2)).isoformat()
    record.write([make_event(event_id="late", happened_at=before), make_event(event_id="next")])
    assert {row["session_id"] for row in record.log(ALL)} == {record.log(ALL)[0]["session_id"]}


def test_the_last_customer_who_leaves_ends_the_session(record: Record) -> None:
    record.write(make_conversation())
    left = make_event("participant.left", participant_id="ada")
    record.write([left, make_event(event_id="back")])
    assert [row["event_type"] for row in record.log(ALL)][-4:] == [
        "participant.left", "session.ended", "session.started", "message.created",
    ]  # fmt: skip


def test_a_second_customer_keeps_the_session(record: Record) -> None:
    record.write(make_conversation())
    joined = make_event("participant.joined", participant_id="bob", participant_role="customer")
    record.write([joined, make_event("participant.left", participant_id="ada")])
    assert record.log(ALL)[-1]["event_type"] == "participant.left"


def test_closing_ends_the_session_and_sets_the_state(record: Record) -> None:
    record.write(make_conversation())
    record.write([make_event("conversation.state_changed", payload={"to": "closed"})])
    assert record.log(ALL)[-1]["event_type"] == "session.ended"
    assert record.log("select state, session_id from conversations") == [
        {"state": "closed", "session_id": None}
    ]


def test_imported_times_are_kept_but_limited_to_now(record: Record) -> None:
    past, future = (
        (START - timedelta(days=400)).isoformat(),
        (START + timedelta(days=1)).isoformat(),
    )
    record.write(
        [make_event("conversation.created", happened_at=past), make_event(happened_at=future)]
    )
    first, *_, last = record.log(ALL)
    assert first["happened_at"] == record.clock.now - 400 * 24 * 60 * MINUTE
    assert last["happened_at"] == last["received_at"] == record.clock.now


def test_each_event_gets_the_channel_and_session_of_its_conversation(record: Record) -> None:
    people = [{"participant_id": "ada", "participant_role": "customer"}]
    created = make_event(
        "conversation.created",
        channel="sms",
        channel_account="+1",
        is_test=True,
        payload={"participants": people},
    )
    created["channel_account"] = "n1"
    record.write(
        [
            created,
            {
                "event_type": "message.created",
                "conversation_id": "c1",
                "participant_id": "ada",
                "text": "x",
            },
        ]
    )
    message = record.log(ALL)[-1]
    assert (message["participant_role"], message["channel"], message["channel_account"], message["is_test"]) == (
        "customer", "sms", "n1", 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (make_event("message.sent"), "$.event_type"),
        (make_event("typing.started"), "$.event_type"),
        (make_event("session.started"), "$.event_type"),
        (make_event("review.submitted"), "$.event_type"),
        (make_event("data.erased"), "$.event_type"),
        (make_event("webhook.attempted"), "$.event_type"),
        (make_event(text=None), "$.text"),
        (make_event(text="a\0b"), "$.text"),
        (make_event(participant_id=None), "$.participant_id"),
        (make_event(participant_role=None, participant_id="stranger"), "$.participant_id"),
        (make_event(conversation_id="nowhere"), "$.conversation_id"),
        (make_event(conversation_id=None), "$.conversation_id"),
        (make_event("conversation.created", event_id="second"), "$.conversation_id"),
        (
            make_event("conversation.created", conversation_id="c9", payload={"participants": [1]}),
            "$.payload.participants[0]",
        ),
        (make_event("conversation.state_changed"), "$.payload.to"),
        (make_event("handoff.requested"), "$.handoff_id"),
        (make_event("message.edited"), "$.message_id"),
        (make_event("contact.created", conversation_id=None), "$.contact_id"),
        (make_event("contact.created", contact_id="ada"), "$.conversation_id"),
        (make_event(occurred_at="9999-12-31T23:59:59-12:00"), "$.occurred_at"),
        (make_event(occurred_at="0001-01-01T00:00:00+14:00"), "$.occurred_at"),
        (make_event(happened_at="0001-01-01T00:00:00Z"), "$.happened_at"),
    ],
)
def test_a_rejected_event_names_its_field_and_changes_no_state(
    record: Record, event: dict[str, Any], field: str
) -> None:
    record.write(make_conversation())
    before = record.log(ALL), record.log("select * from conversations")
    (answer,) = record.write([event])
    assert answer.status == "rejected"
    assert answer.error is not None
    assert answer.error.field == field
    assert (record.log(ALL), record.log("select * from conversations")) == before


def test_a_contact_has_a_position_but_no_sequence(record: Record) -> None:
    record.write([{"event_type": "contact.created", "contact_id": "ada"}])
    (row,) = record.log(ALL)
    assert (row["position"], row["sequence"], row["conversation_id"]) == (1, None, None)


# --- any mix of retries and reorderings ------------------------------------------------

_ids = st.integers(0, 5)
_steps = st.lists(
    st.tuples(
        st.sampled_from(["created", "message", "left", "closed", "wait"]),
        st.integers(0, 2),
        _ids,
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=60,
)


def _as_event(step: tuple[str, int, int, int]) -> dict[str, Any]:
    what, conversation, number, _ = step
    key = f"c{conversation}"
    event_id = f"{key}-{what}-{number}"
    match what:
        case "created":
            return make_event("conversation.created", conversation_id=key, event_id=event_id)
        case "left":
            return make_event(
                "participant.left", conversation_id=key, event_id=event_id,
                participant_id="ada", participant_role="customer",
            )  # fmt: skip
        case "closed":
            return make_event(
                "conversation.state_changed",
                conversation_id=key,
                event_id=event_id,
                payload={"to": "closed"},
            )
    return make_event(conversation_id=key, event_id=event_id)


@given(steps=_steps)
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_for_any_input_each_event_is_stored_once_and_sequences_have_no_gap(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, int]]
) -> None:
    record = Record(Settings(data=tmp_path_factory.mktemp("log")), Clock())
    accepted: dict[str, int | None] = {}
    for step in steps:
        if step[0] == "wait":
            record.clock.forward(minutes=20 * step[3])
            continue
        # The same event `step[3]` times: half of them in one commit, half in the next.
        events = [_as_event(step)] * step[3]
        for answer in record.write(events, at_once=2):
            if answer.status == "accepted":
                assert answer.event_id is not None
                assert answer.event_id not in accepted
                accepted[answer.event_id] = answer.sequence
            elif answer.status == "duplicate":
                assert accepted[answer.event_id or ""] == answer.sequence
    _assert_consistent(record, accepted)


def _assert_consistent(record: Record, accepted: dict[str, int | None]) -> None:
    rows = record.log(ALL)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    stored = {row["event_id"]: row["sequence"] for row in rows if row["source"] == "test"}
    assert stored == accepted
    for state in record.log("select * from conversations"):
        own = [row for row in rows if row["conversation_id"] == state["conversation_id"]]
        assert [row["sequence"] for row in own] == list(range(1, len(own) + 1))
        assert state["last_sequence"] == len(own)
        _assert_sessions_do_not_overlap(own)


def _assert_sessions_do_not_overlap(rows: list[dict[str, Any]]) -> None:
    open_session = None
    for row in rows[1:]:  # the first is the creation, before its session starts
        match row["event_type"]:
            case "session.started":
                assert open_session is None
                open_session = row["session_id"]
            case "session.ended":
                assert row["session_id"] == open_session
                open_session = None
            case _:
                assert row["session_id"] == open_session


# --- the writer ------------------------------------------------------------------------


class BrokenDisk(Store):
    """A real store whose disk fails at a commit: it raises the error of the database."""

    message = "disk I/O error"

    def commit(self) -> None:
        raise sqlite3.OperationalError(self.message)


async def _submit(
    store: Store, count: int = 1
) -> tuple[ThreadWriter, list[BaseException | list[Acknowledgement]]]:
    writer = ThreadWriter(
        store, shard=0, policy=RULES, clock=Clock(), new_id=Ids(), queue_events=10
    )
    writer.start()
    drafts = [msgspec.convert(make_event("conversation.created"), Draft)]
    answers: list[BaseException | list[Acknowledgement]] = []
    for _ in range(count):
        try:
            answers.append(await writer.submit(make_submission(drafts)))
        except LogUnavailableError as error:
            answers.append(error)
    return writer, answers


def test_after_a_failed_flush_no_event_is_acknowledged(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    migrate(settings.database_url)
    writer, answers = asyncio.run(_submit(BrokenDisk(open_engine(settings.database_url)), 3))
    kinds = [type(answer) for answer in answers]
    assert kinds == [OutcomeUnknownError, LogUnavailableError, LogUnavailableError]
    assert writer.failure is not None
    assert "restart" in writer.failure


def test_after_a_full_disk_the_writer_continues(settings: Settings) -> None:
    migrate(settings.database_url)
    store = BrokenDisk(open_engine(settings.database_url))
    store.message = "database or disk is full"
    writer, answers = asyncio.run(_submit(store, 2))
    assert [type(answer) for answer in answers] == [LogUnavailableError, LogUnavailableError]
    assert writer.failure is None


@pytest.mark.parametrize("error_message", ["database is locked", "database or disk is full"])
def test_a_transient_error_does_not_stop_the_writer(settings: Settings, error_message: str) -> None:
    migrate(settings.database_url)

    class Recovering(BrokenDisk):
        message = error_message
        failures = 2

        def commit(self) -> None:
            self.failures -= 1
            super().commit() if self.failures >= 0 else Store.commit(self)

    store = Recovering(open_engine(settings.database_url))
    writer, answers = asyncio.run(_submit(store, 3))
    assert [isinstance(answer, LogUnavailableError) for answer in answers] == [True, True, False]
    assert writer.failure is None


def test_a_failure_before_the_commit_fails_its_own_request_only(settings: Settings) -> None:
    migrate(settings.database_url)

    class FailsForOneConversation(Store):
        def add_events(self, rows: Any) -> None:
            if any(row.conversation_id == "bad" for row in rows):
                raise sqlite3.IntegrityError("UNIQUE constraint failed")
            super().add_events(rows)

    async def write() -> list[Any]:
        store = FailsForOneConversation(open_engine(settings.database_url))
        writer = ThreadWriter(store, shard=0, policy=RULES, clock=Clock(), new_id=Ids())
        drafts = [
            msgspec.convert(make_event("conversation.created", conversation_id=key), Draft)
            for key in ("c1", "bad", "c2")
        ]
        waiting = [writer.submit(make_submission([draft])) for draft in drafts]
        writer.start()  # so that one commit has all three
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert writer.failure is None
        await asyncio.to_thread(writer.stop)
        return answers

    first, bad, second = asyncio.run(write())
    assert first[0].status == second[0].status == "accepted"
    assert isinstance(bad, LogUnavailableError)
    assert [row["conversation_id"] for row in Record(settings, Clock()).log(ALL)] == [
        "c1",
        "c1",
        "c2",
        "c2",
    ]


def test_a_customer_message_reopens_resolved_but_not_closed(record: Record) -> None:
    record.write(make_conversation())
    state = "select state from conversations"
    record.write([make_event("conversation.resolved")])
    record.write([make_event(participant_id="helper", participant_role="bot")])
    assert record.log(state) == [{"state": "resolved"}]
    record.write([make_event(event_id="again")])
    assert record.log(state) == [{"state": "active"}]
    record.write([make_event("conversation.state_changed", payload={"to": "closed"})])
    record.write([make_event("conversation.reopened")])
    assert record.log(state) == [{"state": "closed"}]


@pytest.mark.long
def test_every_client_event_type_reaches_the_warehouse(record: Record) -> None:
    """Each event has every column it may have, because no accepted event may stop a load."""
    record.write(make_conversation())
    record.write([{"event_type": "contact.created", "contact_id": "another"}])
    full: dict[str, Any] = {
        "participant_id": "ada", "participant_role": "customer", "contact_id": "ada", "channel": "web",
        "channel_account": "n1", "message_id": "c1-m0", "handoff_id": "h1", "in_reply_to": "c1-m0",
        "caused_by": "c1-created", "bot_version": "2.0", "queue": "billing", "visibility": "internal",
        "is_test": True, "occurred_at": "1970-01-01T00:00:00Z", "happened_at": "1990-01-01T00:00:00Z",
        "text": "x",
    }  # fmt: skip
    unknown = {
        "anything": ["odd"],
        "number": "x",
        "owner": 7,
        "channel": "web",
        "address": "a@b.example",
    }
    names = [
        name
        for name, kind in EVENT_TYPES.items()
        if kind.writer == "client" and kind.stream != "ephemeral"
    ]
    for name in [*names, "custom.anything"]:
        conversation = {} if name.startswith("contact.") else {"conversation_id": "c1"}
        if name == "conversation.created":
            conversation = {"conversation_id": "c2"}
        message = {"message_id": "c1-other"} if name == "message.created" else {}
        payload = unknown | sample_payload(rules_of(name))
        answers = record.write(
            [{"event_type": name, **conversation, **full, **message, "payload": payload}]
        )
        assert statuses(answers) == ["accepted"], (name, answers)
        record.seal()
    assert record.load().damaged == []
    assert run_in_adbc_process(verify, record.settings).ok


def test_a_parked_event_is_not_rejected_in_the_commit_that_releases_it(record: Record) -> None:
    receipt = make_event("message.delivered", event_id="r1", message_id="m1", participant_id="ada")
    message = make_event(event_id="m1", message_id="m1")
    record.write(make_conversation())
    assert statuses(record.write([receipt])) == ["parked"]
    late = record.clock() + 30 * 86_400_000_000
    engine = open_engine(record.settings.database_url)
    store = Store(engine)
    work = UnitOfWork(
        store, [submitted := make_submission([msgspec.convert(message, Draft)])], RULES
    )
    answers = work.append(submitted, late, ["unused"])
    work.run_timers(late, 10)
    for number, row in enumerate(work.events, store.last_position() + 1):
        row.position = row.committed_at = number
    work.save(late)
    store.commit()
    store.close()
    engine.dispose()
    assert statuses(answers) == ["accepted"]
    assert record.log("select code from rejected_events") == []
    (stats,) = record.log("select * from ingest_stats where source <> 'convolake'")
    assert (stats["parked"], stats["received"]) == (0, stats["accepted"])


def test_a_full_queue_rejects_requests_at_once(settings: Settings) -> None:
    migrate(settings.database_url)

    async def flood() -> list[Any]:
        store = Store(open_engine(settings.database_url))
        writer = ThreadWriter(
            store, shard=0, policy=RULES, clock=Clock(), new_id=Ids(), queue_events=10
        )
        drafts = [msgspec.convert(make_event("conversation.created"), Draft)] * 6
        first = writer.submit(make_submission(drafts))
        with pytest.raises(LogUnavailableError):
            writer.submit(make_submission(drafts))
        writer.start()
        await first
        second = await writer.submit(make_submission(drafts))
        await asyncio.to_thread(writer.stop)
        with pytest.raises(LogUnavailableError):
            writer.submit(make_submission(drafts))
        return second

    assert [answer.status for answer in asyncio.run(flood())] == ["rejected"] * 6


def test_every_request_submitted_before_the_stop_is_answered(settings: Settings) -> None:
    migrate(settings.database_url)

    async def stop_under_load() -> list[list[Acknowledgement]]:
        store = Store(open_engine(settings.database_url))
        writer = ThreadWriter(store, shard=0, policy=RULES, clock=Clock(), new_id=Ids())
        writer.start()
        drafts = [
            msgspec.convert(make_event("conversation.created", conversation_id=f"c{n}"), Draft)
            for n in range(50)
        ]
        waiting = [writer.submit(make_submission([draft])) for draft in drafts]
        await asyncio.to_thread(writer.stop)
        return await asyncio.gather(*waiting)

    answers = asyncio.run(stop_under_load())
    assert [answer.status for (answer,) in answers] == ["accepted"] * 50


def test_the_store_flushes_to_disk_at_each_commit(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    migrate(settings.database_url)
    with open_engine(settings.database_url).connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}


def test_migrations_create_the_tables_of_the_code(settings: Settings) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrate(settings.database_url)
    migrate(settings.database_url)
    with create_engine(settings.database_url).connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
