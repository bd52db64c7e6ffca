"""The account page: who the user is, what their role allows, and the way out."""

import polars as pl
import streamlit as st

from dashboards import access, formatting, sign_in
from dashboards.roles import RULES, roles_with
from ingest.settings import Settings


def show() -> None:
    """Show the user, the permissions of the role, and how to sign out."""
    user = access.current_user()
    st.title("Account", anchor=False)
    with st.container(horizontal=True, gap="medium"):
        for label, value in (("User", formatting.quote(user.name)), ("Role", str(user.role))):
            with st.container(width="content", gap=None):
                st.caption(label)
                st.text(value)
    if Settings().has_sign_in:
        sign_in.show_sign_out()
    else:
        st.caption(
            "This dashboard has no sign-in. It has one user, who may do everything, and it listens on this machine "
            "only. The guide says how to set up a sign-in for others."
        )
    st.subheader("What your role allows", anchor=False)
    rows = [
        {"allowed": user.may(name), "act": rule.allows, "roles": ", ".join(roles_with(name))}
        for name, rule in RULES.items()
    ]
    st.dataframe(
        pl.DataFrame(rows).with_columns(
            pl.col("act").str.slice(0, 1).str.to_uppercase() + pl.col("act").str.slice(1)
        ),
        hide_index=True,
        column_config={"act": "Act", "allowed": "Allowed", "roles": "Roles that may"},
    )


show()
