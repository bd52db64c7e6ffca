"""The name of a member: `users.info`. Slack's events have the member's id alone.

https://docs.slack.dev/reference/methods/users.info and https://docs.slack.dev/apis/web-api/rate-limits
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ingest.channels.account_values import api_url
from ingest.channels.answers import answer_fields, retry_after
from ingest.channels.base import Account, Answer, HttpRequest, Person, Retry
from ingest.channels.fields import object_of, text_of
from ingest.channels.name_lookup import (
    PAUSE_SECONDS,
    REPAIR_SECONDS,
    get_with_token,
    pause_of,
)
from ingest.channels.slack.outbound import API_URL

RATE_LIMITED = "ratelimited"
_NOT_ALLOWED = {
    "access_denied", "account_inactive", "invalid_auth", "missing_scope", "no_permission",
    "not_authed", "token_expired", "token_revoked",
}  # fmt: skip


def name_request(person: Person, account: Account) -> HttpRequest | None:
    """Return the request that asks for a member's name; None without a member or a token."""
    users = [each.value for each in person.addresses if each.kind == "slack_user"]
    if not users:
        return None
    url = f"{api_url(account, API_URL)}/users.info?{urlencode({'user': users[0]})}"
    return get_with_token(url, account, "bot_token")


def read_name(answer: Answer) -> str | Retry | None:
    """Return the name that Slack shows: the one the member chose, else the full name; None: there is none."""
    fields = answer_fields(answer)
    error = text_of(fields, "error")
    if error == RATE_LIMITED:
        return Retry(error, retry_after(answer) or PAUSE_SECONDS)
    if (pause := pause_of(answer)) is not None:
        return pause
    if error in _NOT_ALLOWED:
        return Retry(error, REPAIR_SECONDS)
    return _shown_name(object_of(fields, "user")) if fields.get("ok") is True else None


def _shown_name(user: Mapping[str, Any]) -> str | None:
    profile = object_of(user, "profile")
    names = (
        text_of(profile, "display_name"),
        text_of(profile, "real_name"),
        text_of(user, "real_name"),
        text_of(user, "name"),
    )
    return next((each for each in names if each and each.strip()), None)
