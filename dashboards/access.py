"""The user of this session, and what they may do. Pages ask here; `dashboards.roles` has the table.

`app.py` admits the user before any page runs. With a sign-in that is who the provider says; without one it is
the local user, an admin, who must be on this machine.
"""

import streamlit as st

from dashboards import sign_in
from dashboards.roles import RULES, Permission, User, roles_with
from ingest.settings import Settings

LOCAL = User("local", "admin")
"""The one user of a dashboard without sign-in."""


USER = "user of this session"
"""In the session: the user whom `admit` let in at the start of this run."""


def admit() -> User:
    """Return the user of this session, who has a role; else say why nothing is shown, and stop."""
    st.session_state.pop(USER, None)
    settings = Settings()
    if not settings.has_sign_in and isinstance(st.context.ip_address, str):  # None: this machine
        st.error(
            "**This dashboard is for users of its own machine.** It has no sign-in, so it shows nothing to others. "
            "The guide says how to set one up.",
            icon=":material/lock:",
        )
        st.stop()
    user = _identify(settings)
    if user.role is None:
        sign_in.show_without_role(user)
        st.stop()
    st.session_state[USER] = user
    return user


def current_user() -> User:
    """Return the user of this session. Without a sign-in that still counts, show how to sign in and stop the page."""
    found: User | None = st.session_state.get(USER)
    return _identify(Settings()) if found is None else found


def _identify(settings: Settings) -> User:
    return sign_in.require_user(settings) if settings.has_sign_in else LOCAL


def may(permission: Permission) -> bool:
    """Return whether the user of this session has `permission`."""
    return current_user().may(permission)


def require(permission: Permission) -> User:
    """Return the user, who has `permission`; else say why nothing more is shown, and stop the page."""
    user = current_user()
    if not user.may(permission):
        st.info(explain(permission), icon=":material/lock:")
        st.stop()
    return user


def explain(permission: Permission) -> str:
    """Return why the user does not have `permission`, and what to do. It is Markdown and repeats no input."""
    return (
        f"**Your role is {current_user().role}.** To {RULES[permission].allows}, you need the role "
        f"{' or '.join(roles_with(permission))}. An administrator of this installation gives roles (setting "
        "`CONVOLAKE_OIDC_ROLES`)."
    )
