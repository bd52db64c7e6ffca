"""Ids in lists: masked for a role that does not lift masks, where they have the form of personal data."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards import access
from dashboards.roles import User
from ingest.settings import Role
from tests.api_server import Installation
from tests.dashboard_app import show_page
from tests.factories import Record, make_conversation

PHONE, EMAIL = "+491701234567", "ada@example.org"
MASKED_PHONE, MASKED_EMAIL = "⟨phone number masked⟩", "⟨email masked⟩"


@pytest.fixture(scope="module")
def loaded(audit_api: Installation) -> Installation:
    audit_api.post_events(
        [
            *make_conversation("c1", contact_id=PHONE),
            *make_conversation(EMAIL, contact_id=PHONE),
            *make_conversation("c3", contact_id="person-7"),
        ]
    )
    record = Record(audit_api.settings, audit_api.clock)
    record.seal()
    record.load()
    return audit_api


Open = Callable[..., AppTest]


@pytest.fixture
def open_as(loaded: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open the conversations page as the one user of this machine, with another role."""
    for name, value in loaded.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONVOLAKE_DATA", str(loaded.settings.data))
    st.cache_data.clear()

    def run(role: Role, **address: str) -> AppTest:
        monkeypatch.setattr(access, "LOCAL", User("vera", role))
        return show_page("conversations", **address)

    yield run
    st.cache_data.clear()


def rows(app: AppTest, *columns: str) -> set[tuple[Any, ...]]:
    [table] = [each.value for each in app.dataframe if set(columns) <= set(each.value.columns)]
    return set(table[list(columns)].itertuples(index=False, name=None))


@pytest.mark.parametrize("role", ["viewer", "reviewer", "analyst"])
def test_the_list_masks_ids_for_a_role_that_does_not_lift_masks(open_as: Open, role: Role) -> None:
    assert rows(open_as(role), "contact_id", "conversation_id") == {
        (MASKED_PHONE, "c1"),
        (MASKED_PHONE, MASKED_EMAIL),
        ("person-7", "c3"),
    }


def test_the_list_of_an_admin_shows_them(open_as: Open) -> None:
    assert (PHONE, EMAIL) in rows(open_as("admin"), "contact_id", "conversation_id")


def test_the_other_conversations_of_a_contact_are_masked_with_the_transcript(open_as: Open) -> None:
    app = open_as("viewer", conversation="c1")
    assert rows(app, "conversation_id", "message_count") == {(MASKED_EMAIL, 2)}
    assert PHONE not in "".join(each.value for each in app.text)
    app = open_as("admin", conversation="c1", unmasked="yes")
    assert rows(app, "conversation_id", "message_count") == {(EMAIL, 2)}
