"""The names of people whose provider sends their ids alone. Optional for an adapter."""

from http import HTTPStatus
from typing import Protocol

from ingest.channels.account_values import newest_secret
from ingest.channels.answers import retry_after
from ingest.channels.base import Account, Answer, HttpRequest, Person, Retry

PAUSE_SECONDS = 60
"""Pause after a rate limit without a time."""

REPAIR_SECONDS = 600
"""Pause after an error of credentials or permissions, which a person has to repair."""


class NameLookup(Protocol):
    """How a provider that sends the ids of people alone is asked for a name. Pure, as the adapter."""

    def name_request(self, person: Person, account: Account) -> HttpRequest | None:
        """Return the request that asks for a person's name; None if the account cannot ask."""

    def read_name(self, answer: Answer) -> str | Retry | None:
        """Return the name in an answer; Retry: ask later, after a pause for the account; None: there is no name."""


def get_with_token(url: str, account: Account, secret: str) -> HttpRequest | None:
    """Return a GET with the newest value of a secret as its token; None if the account has none."""
    token = newest_secret(account, secret)
    headers = (("authorization", f"Bearer {token}"),)
    return HttpRequest(url=url, headers=headers, body=b"", method="GET") if token else None


def pause_of(answer: Answer) -> Retry | None:
    """Return the pause that the status of an answer demands, or None."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retry("there are too many requests", retry_after(answer) or PAUSE_SECONDS)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Retry("the account may not ask for names", REPAIR_SECONDS)
    return None
