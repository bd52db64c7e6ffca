"""The name of a LINE user: `GET /v2/bot/profile/{userId}`. LINE answers 404 for who is no friend of the account.

Source: developers.line.biz/en/reference/messaging-api/#get-profile.
"""

from urllib.parse import quote

from ingest.channels.account_values import api_url
from ingest.channels.answers import answer_fields, is_success
from ingest.channels.base import Account, Answer, HttpRequest, Person, Retry
from ingest.channels.fields import text_of
from ingest.channels.line.outbound import API_URL
from ingest.channels.name_lookup import get_with_token, pause_of
from ingest.channels.people import recipient


def name_request(person: Person, account: Account) -> HttpRequest | None:
    """Return the request that asks for a user's name; None without a user."""
    user = recipient(person, "line")
    if user is None:
        return None
    url = f"{api_url(account, API_URL)}/v2/bot/profile/{quote(user.value, safe='')}"
    return get_with_token(url, account, "channel_access_token")


def read_name(answer: Answer) -> str | Retry | None:
    """Return the name that LINE shows, or None."""
    name = text_of(answer_fields(answer), "displayName") if is_success(answer) else None
    return name or pause_of(answer)
