"""HTTP Basic authentication (RFC 7617) of calls by providers that sign nothing: the URL has the credentials."""

import base64

from ingest.channels.account_values import newest_secret, secrets_of
from ingest.channels.base import Account, Call, Field, InvalidSignatureError
from ingest.channels.signatures import check_equal

USER = "convolake"
PASSWORD = Field(
    "webhook_password", f"Choose one; the URL is then https://{USER}:<password>@<host>/…"
)


def verify_basic(call: Call, account: Account) -> None:
    """Check user and password of a call. Raises InvalidSignatureError."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise InvalidSignatureError("the call has no Basic authentication")
    expected = [_encoded(USER, each) for each in secrets_of(account, PASSWORD.name)]
    check_equal(encoded.strip(), expected, "user or password is wrong")


def basic_header(account: Account) -> dict[str, str]:
    """Return the header with the newest password."""
    return {"authorization": basic_value(USER, newest_secret(account, PASSWORD.name))}


def basic_value(user: str, password: str) -> str:
    """Return the value of a header Authorization."""
    return f"Basic {_encoded(user, password)}"


def _encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
