"""Calls by which a dashboard records who sees what."""

from collections.abc import Mapping
from typing import Any

from ingest.client.answers import Acknowledgement
from ingest.client.call import Call, NamedCalls, encode_fields, without_none


class AuditCalls(NamedCalls):
    """The operations of the audit."""

    def record_view(
        self,
        user: str,
        role: str,
        conversation_id: str,
        *,
        is_unmasked: bool = False,
        address: str | None = None,
    ) -> Call[Acknowledgement]:
        """Record that a user opens a transcript; `is_unmasked`: with personal data.

        A dashboard calls this and the next four before it shows anything. Raises ProblemError `missing_scope`
        if the key does not have the scope `audit`.
        """
        act = without_none(
            {
                "role": role,
                "conversation_id": conversation_id,
                "is_unmasked": is_unmasked or None,
                "address": address,
            }
        )
        return self._audit("transcript-views", user, act)

    def record_search(
        self, user: str, role: str, filters: Mapping[str, Any], *, address: str | None = None
    ) -> Call[Acknowledgement]:
        """Record that a user searches conversations for words or by other filters."""
        act = without_none({"role": role, "filters": filters, "address": address})
        return self._audit("transcript-searches", user, act)

    def record_export(
        self,
        user: str,
        role: str,
        export: str,
        file_format: str,
        row_count: int,
        *,
        filters: Mapping[str, Any] | None = None,
        address: str | None = None,
    ) -> Call[Acknowledgement]:
        """Record that a user gets rows as a file called `export`; `filters` chose the rows."""
        act = without_none(
            {
                "role": role,
                "export": export,
                "format": file_format,
                "row_count": row_count,
                "filters": filters,
                "address": address,
            }
        )
        return self._audit("transcript-exports", user, act)

    def record_query(
        self, user: str, role: str, sql: str, *, address: str | None = None
    ) -> Call[Acknowledgement]:
        """Record that a user runs an SQL query."""
        return self._audit(
            "warehouse-queries", user, without_none({"role": role, "sql": sql, "address": address})
        )

    def record_rejected_view(
        self, user: str, role: str, rejected_id: int | None = None, *, address: str | None = None
    ) -> Call[Acknowledgement]:
        """Record that a user reads rejected events: one of them, or without an id their list."""
        act = without_none({"role": role, "rejected_id": rejected_id, "address": address})
        return self._audit("rejected-views", user, act)

    def _audit(self, path: str, user: str, act: Mapping[str, Any]) -> Call[Acknowledgement]:
        body = encode_fields(event_id=self._new_id(), participant_id=user, act=act)
        return Call("POST", f"/v1/audit/{path}", Acknowledgement, body)
