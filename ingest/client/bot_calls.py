"""Calls about what bot frameworks log."""

from collections.abc import Sequence

from msgspec import Struct

from ingest.client.answers import Problem
from ingest.client.call import Call


class RecordError(Struct, kw_only=True):
    """Why an event of a record was not stored. `record` counts from 0."""

    record: int
    error: Problem


class RecordsResult(Struct, kw_only=True):
    """The number of records, of their events by result, and each error with its record."""

    records: int
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    parked: int = 0
    unused: int = 0
    errors: list[RecordError] = []


class BotCalls:
    """The operations of bot frameworks."""

    def record_logs(self, framework: str, records: Sequence[bytes]) -> Call[RecordsResult]:
        """Record what a bot framework logged: JSON records without line breaks. Safe to repeat.

        Errors of single records are in the result. Raises ProblemError `unknown_framework`, `too_large`.
        """
        return Call(
            "POST",
            f"/v1/bots/{framework}",
            RecordsResult,
            b"\n".join(records),
            "application/x-ndjson",
            is_whole=lambda result: result.records == len(records),
        )
