"""Sign-in by OpenID Connect: from what the provider says to a user with a role.

The provider's answer is in a signed cookie of 30 days. It counts for SIGN_IN_SECONDS, so that a user whom the
provider no longer knows, or who left a group, is out by then. A change of the roles counts at once.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import streamlit as st

from dashboards import formatting
from dashboards.roles import ROLES, Role, User
from ingest.settings import Settings

SIGN_IN_SECONDS = 12 * 3600
"""Time for which a sign-in counts."""

ID_CHARACTERS = "!#$&'()*+,/:;=?@[]|^`{}\""
"""Visible ASCII that an id of the record may have as it is; all other characters are percent-encoded."""


def require_user(settings: Settings) -> User:
    """Return who is signed in; else show how to sign in, and stop the page."""
    claims = st.user.to_dict()
    if not claims.get("is_logged_in"):
        _show_sign_in("Sign in to see the dashboard.")
    if not is_recent(claims, time.time()):
        _show_sign_in(f"A sign-in counts for {SIGN_IN_SECONDS // 3600} hours. Sign in again.")
    return user_of(claims, settings.oidc_claim, settings.oidc_roles)


def is_recent(claims: Mapping[str, Any], now: float) -> bool:
    """Return whether the provider issued the claims within SIGN_IN_SECONDS. `now`: seconds since 1970."""
    issued_at = claims.get("iat")
    return isinstance(issued_at, int | float) and now - issued_at < SIGN_IN_SECONDS


def user_of(claims: Mapping[str, Any], claim: str, roles: Mapping[str, Role]) -> User:
    """Return the user of a provider's claims, with the highest role that `claim` gives, if any.

    An e-mail address that the provider calls unverified is neither a name nor a reason for a role.
    """
    email = claims.get("email")
    if isinstance(email, str) and claims.get("email_verified", True) in (True, "true"):
        name = email.casefold()
    else:
        name = str(claims.get("sub") or "unknown")
        claims = {**claims, "email": None}
    return User(_as_id(name), _highest_role(claims.get(claim), roles))


def _highest_role(value: object, roles: Mapping[str, Role]) -> Role | None:
    values = value if isinstance(value, list) else [value]
    names = {each.casefold() for each in values if isinstance(each, str)}
    given = {role for name, role in roles.items() if name.casefold() in names}
    return max(given, key=ROLES.index, default=None)


def _as_id(name: str) -> str:
    encoded = quote(name, safe=ID_CHARACTERS)[:512]
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded


def _show_sign_in(reason: str) -> None:
    st.title("Convolake", anchor=False)
    st.write(reason)
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def show_without_role(user: User) -> None:
    """Say that the user has no role, and offer to sign out."""
    st.title("Convolake", anchor=False)
    st.error(
        "**You are signed in, but you have no role, so nothing is shown.** An administrator of this installation "
        "gives roles (setting `CONVOLAKE_OIDC_ROLES`). You are:",
        icon=":material/lock:",
    )
    st.text(formatting.quote(user.name))
    show_sign_out()


def show_sign_out() -> None:
    """Offer to sign out, here and at the provider."""
    st.button("Sign out", icon=":material/logout:", on_click=st.logout)
