"""The rows of contacts: their states, their addresses and the merges that are proposed."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Engine

from ingest.errors import UnreadableStateError
from ingest.events.contact_state import Contact
from ingest.events.conversation_state import encode_state
from ingest.log.storage.conversation_table import ExecuteMany
from ingest.log.storage.state_reader import read_contact, read_each
from ingest.log.storage.statements import Execute, Statements


class ContactTable:
    """Reads and writes the states of contacts on the connection of the store."""

    def __init__(
        self, engine: Engine, sql: Statements, execute: Execute, execute_many: ExecuteMany
    ) -> None:
        """`engine` reads the events of a state that is damaged."""
        self._engine = engine
        self._sql = sql
        self._execute = execute
        self._execute_many = execute_many

    def find(
        self, contact_ids: Sequence[str]
    ) -> tuple[dict[str, Contact], dict[str, UnreadableStateError]]:
        """Return those of these contacts that are known, and whose state cannot be read."""
        rows = self._sql.find_contacts(self._execute, contact_ids)
        return read_each({row[0]: partial(read_contact, self._engine, *row[:2]) for row in rows})

    def save(self, contacts: Sequence[Contact]) -> None:
        """Write the states of contacts, and what they are found by."""
        keys = [(each.contact_id,) for each in contacts]
        for statement in (
            self._sql.delete_contact,
            self._sql.delete_addresses,
            self._sql.delete_proposals,
        ):
            self._execute_many(statement, keys)
        rows = [(each.contact_id, each.merged_into, encode_state(each)) for each in contacts]
        self._execute_many(self._sql.insert_contact, rows)
        self._execute_many(
            self._sql.insert_address,
            [
                (key.value, key.kind, key.scope, each.contact_id, is_current)
                for each in contacts
                for key, is_current in each.keys().items()
            ],
        )
        self._execute_many(
            self._sql.insert_proposal,
            [
                (each.contact_id, proposal.other_contact_id, proposal.proposed_at)
                for each in contacts
                for proposal in each.proposals
                if not proposal.is_declined
            ],
        )
