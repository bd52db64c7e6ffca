"""The names of people whose provider sends their ids alone. Optional for an adapter."""

from typing import Protocol

from ingest.channels.base import Account, Answer, HttpRequest, Person, Retry


class NameLookup(Protocol):
    """How a provider that sends the ids of people alone is asked for a name. Pure, as the adapter."""

    def name_request(self, person: Person, account: Account) -> HttpRequest | None:
        """Return the request that asks for a person's name; None if the account cannot ask."""

    def read_name(self, answer: Answer) -> str | Retry | None:
        """Return the name in an answer; Retry: ask later, after a pause for the account; None: there is no name."""
