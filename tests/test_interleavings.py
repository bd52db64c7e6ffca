"""A state machine that sends events in any order and checks the record's invariants.

Retries, reorderings, duplicates, crashes before and after the commit, a clock that jumps, timers
due while no process ran. The expected state is computed here again, independently of the code.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ingest.errors import LogUnavailableError
from ingest.events.conversation_state import decode_conversation
from ingest.events.draft import Command
from ingest.events.message_state import decode_message
from ingest.events.timers import LifecyclePolicy
from ingest.log.rebuild import rebuild_projections
from ingest.log.storage.engine import open_engine
from ingest.log.storage.store import Store
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation

pytestmark = pytest.mark.long

CONVERSATIONS = ("a", "b")
MESSAGES = ("m1", "m2", "m3")
RANKS = {"submitted": 1, "delivered": 3, "read": 4}
STATE = ("conversations", "messages", "contacts")

Event = dict[str, Any]


class Interleavings(RuleBasedStateMachine):
    """One record, and its answers."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.record = Record(Settings(data=Path(self._folder.name)), Clock())
        self.number = 0
        self.sent: list[Event] = []
        self.acknowledged: dict[str, int] = {}
        self.accepted_keys: set[tuple[str, str]] = set()
        self.receipts: dict[tuple[str, str], set[str]] = {}
        self.epochs: dict[str, int] = dict.fromkeys(CONVERSATIONS, 1)

    @initialize()
    def open_conversations(self) -> None:
        for each in CONVERSATIONS:
            people = [
                {"participant_id": "ada", "participant_role": "customer"},
                {"participant_id": "helper", "participant_role": "bot"},
                {"participant_id": "mira", "participant_role": "agent"},
            ]
            self.send(make_conversation(each, 0, payload={"participants": people}))

    def event(self, event_type: str, conversation: str, **rest: Any) -> Event:
        self.number += 1
        event = {
            "event_type": event_type,
            "event_id": f"e{self.number}",
            "conversation_id": conversation,
            **rest,
        }
        self.sent.append(event)
        return event

    def send(self, events: list[Event], command: Command | None = None) -> list[str]:
        answers = self.record.write(events, command=command)
        for event, answer in zip(events, answers, strict=True):
            if answer.status in ("accepted", "duplicate") and answer.sequence is not None:
                before = self.acknowledged.setdefault(event["event_id"], answer.sequence)
                assert before == answer.sequence, "an event changed its sequence"
        return [answer.status for answer in answers]

    # --- rules

    @rule(conversation=st.sampled_from(CONVERSATIONS), message=st.sampled_from(MESSAGES),
          who=st.sampled_from(("ada", "helper", "mira")))  # fmt: skip
    def post_message(self, conversation: str, message: str, who: str) -> None:
        event = self.event("message.created", conversation, participant_id=who, text="x",
                           message_id=f"{conversation}-{message}")  # fmt: skip
        key = conversation, f"{conversation}-{message}"
        (status,) = self.send([event])
        assert status == "accepted" or (status == "rejected" and key in self.accepted_keys)
        self.accepted_keys.add(key)

    @rule(conversation=st.sampled_from(CONVERSATIONS), message=st.sampled_from(MESSAGES),
          status=st.sampled_from(sorted(RANKS)))  # fmt: skip
    def receive(self, conversation: str, message: str, status: str) -> None:
        key = conversation, f"{conversation}-{message}"
        event = self.event(f"message.{status}", conversation, participant_id="ada",
                           message_id=key[1])  # fmt: skip
        assert self.send([event])[0] in ("accepted", "parked")
        self.receipts.setdefault(key, set()).add(status)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        again = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=6))
        has_rejected_events = bool(self.record.log("select 1 from rejected_events"))
        statuses = set(self.send(again))
        assert statuses <= {"duplicate", "rejected", "accepted", "parked"}
        assert "parked" not in statuses or has_rejected_events

    @rule(conversation=st.sampled_from(CONVERSATIONS), data=st.data())
    def crash_before_the_commit(self, conversation: str, data: st.DataObject) -> None:
        """The event is not stored, and the client may send it again."""
        who = data.draw(st.sampled_from(("ada", "mira")))
        event = self.event("message.created", conversation, participant_id=who, text="x")
        with failing_commits(), pytest.raises(LogUnavailableError):
            self.record.write([event])
        if data.draw(st.booleans()):
            assert self.send([event]) == ["accepted"]

    @rule(conversation=st.sampled_from(CONVERSATIONS))
    def crash_after_the_commit(self, conversation: str) -> None:
        """The client got no answer, and sends it again."""
        event = self.event("message.created", conversation, participant_id="ada", text="x")
        self.record.write([event])
        assert self.send([event]) == ["duplicate"]

    @rule(seconds=st.sampled_from((1, 600, -600, 1900, 90_000, 3 * 86_400)))
    def advance_clock(self, seconds: int) -> None:
        self.record.clock.forward(seconds=seconds)

    @rule()
    def timers_run(self) -> None:
        self.record.run_due()

    @rule(conversation=st.sampled_from(CONVERSATIONS), to=st.sampled_from(("inactive", "closed")))
    def change_state(self, conversation: str, to: str) -> None:
        self.send([self.event("conversation.state_changed", conversation, payload={"to": to})])

    @rule(
        conversation=st.sampled_from(CONVERSATIONS),
        step=st.sampled_from(("requested", "accepted", "declined", "transferred", "returned", "closed")),
        is_command=st.booleans(),
    )  # fmt: skip
    def hand_over(self, conversation: str, step: str, is_command: bool) -> None:
        event = self.event(f"handoff.{step}", conversation, handoff_id="h1", participant_id="mira")
        self.send([event], Command() if is_command else None)

    @rule(conversation=st.sampled_from(CONVERSATIONS), epoch=st.integers(1, 6))
    def bot_posts(self, conversation: str, epoch: int) -> None:
        state = self.state(conversation)
        event = self.event("message.created", conversation, participant_id="helper", text="x")
        (status,) = self.send([event], Command(control_epoch=epoch))
        may = state.control.owner != "human" and state.control.epoch == epoch
        if status == "accepted":
            assert may, "a bot posted without control or with a stale epoch"

    def state(self, conversation: str) -> Any:
        found = f"select projection from conversations where conversation_id = '{conversation}'"
        return decode_conversation(self.record.log(found)[0]["projection"])

    # --- invariants

    def teardown(self) -> None:
        try:
            self.check_record()
        finally:
            self._folder.cleanup()

    def check_record(self) -> None:
        rows = self.record.log("select * from events order by position")
        assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
        sequences: dict[str, list[int]] = {}
        for row in rows:
            sequences.setdefault(row["conversation_id"], []).append(row["sequence"])
        assert all(each == list(range(1, len(each) + 1)) for each in sequences.values())
        ids = [(row["source"], row["event_id"]) for row in rows]
        assert len(ids) == len(set(ids))
        stored = {row["event_id"]: row["sequence"] for row in rows}
        assert self.acknowledged.items() <= stored.items(), "an acknowledged event is missing"
        accepted_keys = [
            (row["conversation_id"], row["message_id"])
            for row in rows
            if row["event_type"] == "message.created"
        ]
        assert len(accepted_keys) == len(set(accepted_keys)), "two messages share an id"
        self.check_receipts(rows)
        self.check_control(rows)
        self.check_stats()
        self.check_rebuild()

    def check_receipts(self, rows: list[Event]) -> None:
        there = {row["message_id"] for row in rows if row["event_type"] == "message.created"}
        folded = {
            each.message_id: each
            for each in (decode_message(row["projection"]) for row in self.record.log("select projection from messages"))
        }  # fmt: skip
        expired = {row["code"] for row in self.record.log("select code from rejected_events")}
        for key, statuses in self.receipts.items():
            if key[1] in there and "unknown_message" not in expired:
                best = max(statuses, key=RANKS.__getitem__)
                assert folded[key[1]].receipts["ada"].status == best

    def check_control(self, rows: list[Event]) -> None:
        for conversation in conversations_of(rows):
            changes = [
                as_payload(row)
                for row in rows
                if row["event_type"] == "control.changed" and row["conversation_id"] == conversation
            ]
            assert [each["epoch"] for each in changes] == list(range(2, len(changes) + 2))

    def check_stats(self) -> None:
        for row in self.record.log("select * from ingest_stats"):
            assert row["received"] == sum(
                row[name] for name in ("accepted", "duplicate", "conflict", "rejected", "parked")
            )
        stored = self.record.log("select count(*) as n from events")[0]["n"]
        counted = self.record.log("select sum(accepted + generated) as n from ingest_stats")[0]["n"]
        assert stored == counted

    def check_rebuild(self) -> None:
        before = {name: self.table(name) for name in STATE}
        wakes = self.wakes()
        engine = open_engine(self.record.settings.database_url)
        store = Store(engine)
        rebuild_projections(engine, store, LifecyclePolicy.from_settings(self.record.settings))
        store.close()
        engine.dispose()
        assert {name: self.table(name) for name in STATE} == before
        for was, due in zip(
            wakes, self.wakes(), strict=True
        ):  # a check may be too early, never too late
            assert was == due or (was is not None and due is not None and was < due)

    def table(self, name: str) -> list[Event]:
        rows = self.record.log(f"select * from {name} order by 1, 2")
        return [{key: row[key] for key in row.keys() - {"next_check_at"}} for row in rows]

    def wakes(self) -> list[int | None]:
        rows = self.record.log("select next_check_at from conversations order by conversation_id")
        return [row["next_check_at"] for row in rows]


def conversations_of(rows: list[Event]) -> set[str]:
    return {row["conversation_id"] for row in rows}


def as_payload(row: Event) -> Any:
    import json

    return json.loads(row["payload"])


@contextmanager
def failing_commits() -> Iterator[None]:
    """The process dies before the transaction is on disk."""
    with patch.object(Store, "commit", side_effect=OSError("killed")):
        yield


Interleavings.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestInterleavings = Interleavings.TestCase
