"""User tokens: short-lived, signed (JWT, HS256 only), for one participant.

A web chat or an agent's page gets one from the server of the bot or the desk, which has the API key. The
API stores none: they expire.
"""

import secrets
from collections.abc import Callable

import jwt

from ingest.auth.permissions import CUSTOMER_SCOPES, Caller, User
from ingest.auth.secret_files import write_private
from ingest.errors import UnauthorizedError
from ingest.settings import Settings

ALGORITHM = "HS256"
AUDIENCE = "convolake"
MAX_TOKEN_SECONDS = 3600
"""Maximum lifetime of a token, in seconds. Then the page needs a new one from its server."""
AGENT_SCOPES = frozenset({"read", "conversations:write"})
"""Scopes of a staff token, if the key that issued it has them."""

_CLAIMS = ["exp", "aud", "sub", "src", "conversations", "channels", "view", "scope"]


def get_or_create_token_secret(settings: Settings) -> str:
    """Return the secret that signs tokens; created in the data folder on first use."""
    if settings.token_secret is not None:
        return settings.token_secret.get_secret_value()
    path = settings.token_secret_path
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text().strip()


class UserTokens:
    """Creates and reads tokens."""

    def __init__(self, secret: str, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds."""
        self._secret = secret
        self._clock = clock

    def issue(self, caller: Caller, user: User) -> str:
        """Return a token for `user`, with no more rights than `caller`."""
        is_customer = user.view == "customer"
        given = AGENT_SCOPES if caller.is_admin else AGENT_SCOPES & caller.scopes
        scopes = CUSTOMER_SCOPES if is_customer else given
        claims = {
            "aud": AUDIENCE,
            "exp": user.expires_at // 1_000_000,
            "sub": user.participant_id,
            "src": f"{caller.source}~user" if is_customer else caller.source,
            "conversations": sorted(user.conversation_ids),
            "channels": sorted(caller.channels),
            "view": user.view,
            "scope": sorted(scopes),
        }
        return jwt.encode(claims, self._secret, ALGORITHM)

    def verify(self, token: str) -> Caller:
        """Return the user of a token. Raises UnauthorizedError."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": _CLAIMS, "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            raise UnauthorizedError("this token was not issued here") from None
        expires_at = int(claims["exp"]) * 1_000_000
        if expires_at <= self._clock():
            raise UnauthorizedError("this token has expired; get a new one")
        user = User(claims["sub"], frozenset(claims["conversations"]), claims["view"], expires_at)
        return Caller(
            claims["src"], frozenset(claims["scope"]), frozenset(claims["channels"]), user
        )
