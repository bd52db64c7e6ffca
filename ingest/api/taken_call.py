"""A call that was taken: what it becomes is decided right before the commit that stores it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from ingest.accounts import channel_calls, waiting_items
from ingest.accounts.channel_calls import CallOutcome
from ingest.api.channel_result import CallResult, TypingChange
from ingest.api.channel_translation import ReadCall
from ingest.api.translator import Translator
from ingest.channels.errors import RejectedCallError
from ingest.channels.source import CHANNEL_SOURCE
from ingest.log.storage.keyed_rows import Reader
from ingest.log.storage.statements import Bound
from ingest.log.writer_requests import Acknowledgement, Append, IncomingEvent

MAX_REASONS = 10

BUILDER = "call"
"""Name of the writer's builder of what calls become."""

CALL_PATH = "/channels/"


def call_path(account_id: str, call_id: str) -> str:
    """Return the path under which the events of a call are stored: a replay finds the call by it."""
    return f"{CALL_PATH}{account_id}?call={call_id}"


class TakenOutcome(Struct, frozen=True):
    """What a call became: how many events, whether an item waits, and who types."""

    events: int = 0
    is_waiting: bool = False
    typing: Sequence[TypingChange] = ()


class TakenCall:
    """A verified call as its adapter read it."""

    def __init__(
        self, read: ReadCall, failure: str | None, body: bytes, prepared: Mapping[str, Any]
    ) -> None:
        """`failure`: why the call could not be read, or not to its end. `prepared`: the columns that keep it."""
        self.read = read
        self._failure = failure
        self._body = body
        self._prepared = prepared

    def append(self, result: CallResult) -> Append:
        """Return the request that stores the call and `result`, its translation, in one commit."""
        add_failure(result, self._failure, self._body, self.read.call_id)
        record = partial(_keep, self._prepared, len(result.waiting))
        append = append_of(self.read.account.account_id, self.read.call_id, result, record)
        append.outcome = TakenOutcome(len(result.events), bool(result.waiting), result.typing)
        return append


def build_appends(
    translator: Translator, calls: Sequence[TakenCall], reader: Reader
) -> Sequence[Append | Exception]:
    """Return the requests that store calls, translated together; the error of one that cannot be translated."""
    results = translator.translate_all([each.read for each in calls], reader)
    return [
        result if isinstance(result, Exception) else call.append(result)
        for call, result in zip(calls, results, strict=True)
    ]


def add_failure(result: CallResult, failure: str | None, body: bytes, call_id: str) -> CallResult:
    """Return the result of a call. One that could not be read, or only in part, is rejected as well."""
    if failure is not None:
        rejected = RejectedCallError(failure)
        result.events.append(IncomingEvent(body, error=rejected, event_id=call_id))
    return result


def append_of(
    account_id: str,
    call_id: str,
    result: CallResult,
    record: Callable[[Sequence[Acknowledgement]], Bound] | None = None,
) -> Append:
    """Return the request that stores the outcome of a call, in one commit."""
    waiting = [waiting_items.add_waiting(each) for each in result.waiting]
    return Append(
        CHANNEL_SOURCE,
        call_path(account_id, call_id),
        len(result.events),
        result.events,
        statements=[*result.statements, *waiting],
        record=record,
    )


def _keep(prepared: Mapping[str, Any], waiting: int, results: Sequence[Acknowledgement]) -> Bound:
    """Return the statement that keeps a call with its outcome."""
    outcome = CallOutcome(waiting=waiting)
    for result in results:
        setattr(outcome, result.status, getattr(outcome, result.status) + 1)
        if result.error is not None and len(outcome.reasons) < MAX_REASONS:
            outcome.reasons.append(f"{result.error.code}: {result.error.detail}")
    return channel_calls.insert_call(prepared, outcome)
