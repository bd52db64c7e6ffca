"""The name of a person on Messenger or Instagram: `GET /{id}`.

Source: Meta's «User Profile API» of Messenger (`first_name`, `last_name`) and of Instagram (`name`, `username`); a person
has consented by writing.
"""

from urllib.parse import quote, urlencode

from ingest.channels.account_values import api_url
from ingest.channels.answers import answer_fields, is_success
from ingest.channels.base import Account, Answer, HttpRequest, Person, Rejected, Retry
from ingest.channels.fields import Fields, text_of
from ingest.channels.meta.graph import interpret_graph_answer
from ingest.channels.meta.messenger.outbound import Limits
from ingest.channels.name_lookup import PAUSE_SECONDS, REPAIR_SECONDS, get_with_token

_NOT_ALLOWED = ("3", "10", "200")
"""Codes of an app without the permission; others are about the person."""


def name_request(person: Person, account: Account, limits: Limits) -> HttpRequest | None:
    """Return the request that asks for a person's name; None without an id of the product."""
    ids = [each.value for each in person.addresses if each.kind == limits.address_kind]
    if not ids:
        return None
    base, query = api_url(account, limits.api_url), urlencode({"fields": limits.name_fields})
    return get_with_token(f"{base}/{quote(ids[0], safe='')}?{query}", account, "access_token")


def read_name(answer: Answer) -> str | Retry | None:
    """Return the full name, else the name of the account; None if the person has none, or does not share it."""
    if is_success(answer):
        return _name(answer_fields(answer))
    found = interpret_graph_answer(answer)
    if isinstance(found, Retry):
        return Retry(found.reason, found.after or PAUSE_SECONDS)
    if isinstance(found, Rejected) and (found.code or "").partition("/")[0] in _NOT_ALLOWED:
        return Retry(found.reason, REPAIR_SECONDS)
    return None


def _name(fields: Fields) -> str | None:
    parts = filter(None, (text_of(fields, "first_name"), text_of(fields, "last_name")))
    return text_of(fields, "name") or " ".join(parts) or text_of(fields, "username") or None
