"""The pages, in the order of the navigation, and the permission that each needs."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboards import access
from dashboards.roles import Permission, User


@dataclass(frozen=True)
class Page:
    """One page: its package, which is its path in the URL too. The first one is the start page."""

    folder: str
    title: str
    icon: str
    permission: Permission


PAGES = (
    Page("overview", "Overview", ":material/monitoring:", "figures.read"),
    Page("conversations", "Conversations", ":material/forum:", "transcript.read"),
    Page("handoffs", "Handoffs", ":material/support_agent:", "figures.read"),
    Page("reviews", "Reviews", ":material/rate_review:", "review.write"),
    Page("desk", "Agent desk", ":material/headset_mic:", "desk.use"),
    Page("bot_quality", "Bot quality", ":material/smart_toy:", "figures.read"),
    Page("cost", "Cost", ":material/payments:", "figures.read"),
    Page("metrics", "Metrics", ":material/functions:", "figures.read"),
    Page("ask_sql", "Ask SQL", ":material/terminal:", "sql.query"),
    Page("health", "Health", ":material/monitor_heart:", "health.read"),
    Page("account", "Account", ":material/account_circle:", "figures.read"),
)


def navigation(user: User) -> list[StreamlitPage]:
    """Return every page: as it is where the user may open it, else hidden, with the reason in its place."""
    return [_page(page, user) for page in PAGES]


def _page(page: Page, user: User) -> StreamlitPage:
    path = page.folder
    if user.may(page.permission):
        is_first = page == PAGES[0]
        file = f"{path}/page.py"
        return st.Page(file, title=page.title, icon=page.icon, url_path=path, default=is_first)
    explanation = _explanation(page)
    return st.Page(
        explanation, title=page.title, icon=page.icon, url_path=path, visibility="hidden"
    )


def _explanation(page: Page) -> Callable[[], None]:
    def explain() -> None:
        st.title(page.title, anchor=False)
        access.require(page.permission)

    return explain
