"""The events of one commit, decided one after the other against state and against each other."""

from collections import defaultdict
from collections.abc import Sequence

from ingest.contract import from_micros
from ingest.errors import EventConflictError, EventRejectedError, IngestError
from ingest.log.folds import SERVER, Conversation, Draft, Row, admit, receive
from ingest.log.store import Known, Refusal, Store, Tally
from ingest.log.submission import Acknowledgement, Arrival, Status, Submission

RAW_BYTES = 256 * 1024
"""So much of a refused body is kept: as much as an event may have."""


class Batch:
    """Takes submissions, then saves what they came to; the caller commits."""

    def __init__(
        self, store: Store, submissions: Sequence[Submission], session_timeout: int
    ) -> None:
        """Look up all that the submissions may touch. `session_timeout` is in microseconds."""
        drafts = [
            arrival.draft
            for submission in submissions
            for arrival in submission.arrivals
            if arrival.draft is not None
        ]
        ids = {draft.event_id for draft in drafts if draft.event_id is not None}
        keys = {draft.conversation_id for draft in drafts if draft.conversation_id is not None}
        self._store = store
        self._known = store.find_events(sorted(ids))
        self._states = store.find_conversations(sorted(keys))
        self._new: set[str] = set()
        self._touched: dict[str, Conversation] = {}
        self._created: list[tuple[Conversation, Row]] = []
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._refusals: list[Refusal] = []
        self._replayed: list[tuple[int, str]] = []
        self._session_timeout = session_timeout
        self.rows: list[Row] = []

    def take(
        self, submission: Submission, received_at: int, ids: Sequence[str]
    ) -> list[Acknowledgement]:
        """Decide each arrival; `ids` serve those that name none."""
        answers = [
            self._take(arrival, submission, received_at, new_id)
            for arrival, new_id in zip(submission.arrivals, ids, strict=True)
        ]
        tally = self._tallies[submission.source]
        tally.came += submission.came
        for arrival, answer in zip(submission.arrivals, answers, strict=True):
            setattr(tally, answer.status, getattr(tally, answer.status) + 1)
            if answer.error is not None:
                self._refusals.append(_refusal(arrival, answer.error, submission, received_at))
            elif submission.replays is not None:
                self._replayed.append((submission.replays, answer.event_id or ""))
        return answers

    def save(self, received_at: int) -> None:
        """Hand everything to the store, without committing."""
        for state, row in self._created:
            state.created_position = row.position
        self._store.add_events(self.rows)
        self._store.save_conversations(list(self._touched.values()), self._new)
        generated = sum(row.source == SERVER for row in self.rows)
        if generated:
            self._tallies[SERVER].generated += generated
        self._store.add_tallies(self._tallies)
        self._store.add_refusals(self._refusals)
        self._store.mark_replayed(self._replayed, received_at)

    def _take(
        self, arrival: Arrival, submission: Submission, received_at: int, new_id: str
    ) -> Acknowledgement:
        draft = arrival.draft
        if draft is None:
            return Acknowledgement(status="rejected", event_id=None, error=arrival.error)
        row = receive(draft, submission.source, received_at, draft.event_id or new_id)
        known = self._known.get((row.source, row.event_id))
        if known is not None:
            return _again(row, known)
        try:
            self._admit(draft, row)
        except EventRejectedError as error:
            return Acknowledgement(status="rejected", event_id=draft.event_id, error=error)
        known = Known(
            row.conversation_id,
            row.sequence,
            row.session_id,
            row.message_id,
            row.received_at,
            row.fingerprint,
        )
        self._known[row.source, row.event_id] = known
        return _acknowledge("accepted", row.event_id, known)

    def _admit(self, draft: Draft, row: Row) -> None:
        before = self._states.get(draft.conversation_id or "")
        rows, state = admit(draft, row, before, self._session_timeout)
        self.rows += rows
        if state is None:
            return
        self._touched[state.conversation_id] = state
        if before is None:
            self._states[state.conversation_id] = state
            self._new.add(state.conversation_id)
            self._created.append((state, row))


def _again(row: Row, known: Known) -> Acknowledgement:
    if known.fingerprint == row.fingerprint:
        return _acknowledge("duplicate", row.event_id, known)
    error = EventConflictError(
        "an event with this id and other content was accepted before; it stands", "$.event_id"
    )
    return Acknowledgement(status="conflict", event_id=row.event_id, error=error)


def _acknowledge(status: Status, event_id: str, known: Known) -> Acknowledgement:
    return Acknowledgement(
        status=status,
        event_id=event_id,
        conversation_id=known.conversation_id,
        sequence=known.sequence,
        session_id=known.session_id,
        message_id=known.message_id,
        received_at=from_micros(known.received_at),
    )


def _refusal(
    arrival: Arrival, error: IngestError, submission: Submission, received_at: int
) -> Refusal:
    return Refusal(
        received_at=received_at,
        source=submission.source,
        path=submission.path,
        code=error.code,
        detail=error.detail,
        field=error.field,
        size=len(arrival.raw),
        raw=arrival.raw[:RAW_BYTES],
    )
