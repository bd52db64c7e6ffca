"""Calls about contacts: the proposals to merge two of them, and the decisions about them."""

from urllib.parse import quote

from ingest.client.answers import Acknowledgement, Page
from ingest.client.call import Call, encode_fields, page_call
from ingest.client.contact_answers import Contact, MergeProposal


class ContactCalls:
    """The operations of contacts. Who decides is on the record as `decided_by`."""

    def contact(self, contact_id: str) -> Call[Contact]:
        """Return a contact. Raises ProblemError `unknown_contact`, or `missing_scope` without `pii`."""
        return Call("GET", _path(contact_id), Contact)

    def merge_proposals(self, contact_id: str | None = None) -> Call[Page[MergeProposal]]:
        """Return the pairs of contacts that may be one person and wait for a decision, newest first.

        With `contact_id` only those that name this contact.
        """
        return page_call("/v1/merge-proposals", Page[MergeProposal], contact_id=contact_id)

    def merge_contact(
        self, contact_id: str, into: str, *, decided_by: str | None = None
    ) -> Call[Acknowledgement]:
        """Merge a contact into another one. `unmerge_contact` undoes it. Raises ProblemError `unknown_contact`."""
        body = encode_fields(into=into, decided_by=decided_by)
        return Call("POST", f"{_path(contact_id)}/merge", Acknowledgement, body)

    def decline_merge(
        self, contact_id: str, other_contact_id: str, *, decided_by: str | None = None
    ) -> Call[Acknowledgement]:
        """Decline a proposal, with its two contacts as it names them. Raises ProblemError `unknown_proposal`."""
        body = encode_fields(other_contact_id=other_contact_id, decided_by=decided_by)
        return Call("POST", f"{_path(contact_id)}/decline-merge", Acknowledgement, body)

    def unmerge_contact(
        self, contact_id: str, *, decided_by: str | None = None
    ) -> Call[Acknowledgement]:
        """Undo the merge of a contact. Raises ProblemError `unknown_contact`."""
        body = encode_fields(decided_by=decided_by)
        return Call("POST", f"{_path(contact_id)}/unmerge", Acknowledgement, body)


def _path(contact_id: str) -> str:
    return f"/v1/contacts/{quote(contact_id, safe='')}"
