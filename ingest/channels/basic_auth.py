"""HTTP Basic authentication (RFC 7617) of calls by providers that sign nothing: the URL has the credentials."""

import base64
import hmac

from ingest.channels.base import Account, Call, Field, InvalidSignatureError

USER = "convolake"
PASSWORD = Field(
    "webhook_password", f"Choose one; the URL is then https://{USER}:<password>@<host>/…"
)


def verify_basic(call: Call, account: Account) -> None:
    """Check user and password of a call. Raises InvalidSignatureError."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise InvalidSignatureError("the call has no Basic authentication")
    given = encoded.strip().encode("utf-8", "replace")
    passwords = [each for each in account.secrets.get(PASSWORD.name, ()) if each]
    valid = [hmac.compare_digest(given, _encoded(USER, each)) for each in passwords]
    if not any(valid):
        raise InvalidSignatureError("user or password is wrong")


def basic_header(account: Account) -> dict[str, str]:
    """Return the header with the newest password."""
    password = next(iter(account.secrets.get(PASSWORD.name, ())), "")
    return {"authorization": basic_value(USER, password)}


def basic_value(user: str, password: str) -> str:
    """Return the value of a header Authorization."""
    return f"Basic {_encoded(user, password).decode()}"


def _encoded(user: str, password: str) -> bytes:
    return base64.b64encode(f"{user}:{password}".encode())
