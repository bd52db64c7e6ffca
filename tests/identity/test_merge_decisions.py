"""A person decides whether two contacts are one: by the client, the command line and the dashboard."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner, Result

from convolake.cli import app as command_line
from dashboards import access
from dashboards.roles import User
from ingest.client import Client, ProblemError
from ingest.settings import Role
from tests.api_server import Installation
from tests.dashboard_app import show_page
from tests.factories import Record, make_conversation

PHONE = "+4915112345678"
pytestmark = pytest.mark.allows_loopback


def propose(installation: Installation, first: str, second: str) -> None:
    """Let two contacts be proposed as one person, each with a conversation."""
    payload = {
        "other_contact_id": second,
        "addresses": [{"address": PHONE, "kind": "phone"}, {"address": "DE.7", "kind": "bsuid"}],
    }
    proposed = {"event_type": "contact.merge_proposed", "contact_id": first, "payload": payload}
    contacts = [{"event_type": "contact.created", "contact_id": each} for each in (first, second)]
    talks = [
        each
        for contact in (first, second)
        for each in make_conversation(f"c-{contact}", contact_id=contact)
    ]
    installation.post_events([*contacts, proposed, *talks])


def waiting(installation: Installation) -> list[tuple[str, str]]:
    """The pairs that wait for a decision."""
    with Client(installation.url, installation.key) as api:
        return [(each.contact_id, each.other_contact_id) for each in api.merge_proposals()]


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    propose(installation, "ada", "eve")
    with Client(installation.url, installation.key) as api:
        yield api


def test_the_client_lists_declines_merges_and_undoes(client: Client) -> None:
    (found,) = client.merge_proposals()
    assert (found.contact_id, found.other_contact_id) == ("ada", "eve")
    assert [(each.kind, each.address) for each in found.addresses] == [
        ("phone", PHONE), ("bsuid", "DE.7"),
    ]  # fmt: skip
    client.merge_contact("eve", "ada", decided_by="mira")
    assert client.contact("eve").merged_into == "ada"
    assert list(client.merge_proposals("eve")) == []
    client.unmerge_contact("eve", decided_by="mira")
    assert client.contact("eve").merged_into is None
    client.decline_merge("ada", "eve", decided_by="mira")
    assert list(client.merge_proposals()) == []
    with pytest.raises(ProblemError) as caught:
        client.decline_merge("ada", "eve")
    assert caught.value.code == "unknown_proposal"


@pytest.fixture
def command(installation: Installation, client: Client) -> Callable[..., Result]:
    env = installation.environment | {"CONVOLAKE_DATA": str(installation.settings.data)}
    return lambda *words: CliRunner().invoke(command_line, ["contacts", *words], env=env)


def test_the_command_line_lists_merges_undoes_and_declines(
    command: Callable[..., Result], client: Client
) -> None:
    shown = command("proposals")
    assert "ada  eve" in shown.stdout
    assert f"phone {PHONE}, bsuid DE.7" in shown.output
    assert command("merge", "eve", "ada", "--by", "mira").exit_code == 0
    assert client.contact("eve").merged_into == "ada"
    assert command("unmerge", "eve").exit_code == 0
    assert client.contact("eve").merged_into is None
    assert command("decline", "ada", "eve").exit_code == 0
    assert command("proposals").stdout == ""
    again = command("decline", "ada", "eve")
    assert again.exit_code == 1
    assert "unknown_proposal" in again.output


def test_the_command_line_says_that_more_pairs_wait(
    command: Callable[..., Result], installation: Installation
) -> None:
    propose(installation, "bob", "kim")
    shown = command("proposals", "--limit", "1")
    assert "bob  kim" in shown.stdout
    assert "ada" not in shown.stdout
    assert "more are there" in shown.output


# --- on the dashboard

Open = Callable[..., AppTest]


@pytest.fixture
def open_as(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a conversation of Ada as a user of a role."""
    propose(installation, "ada", "eve")
    record = Record(installation.settings, installation.clock)
    record.seal()
    record.load()
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONVOLAKE_DATA", str(installation.settings.data))
    st.cache_data.clear()

    def run(role: Role) -> AppTest:
        monkeypatch.setattr(access, "LOCAL", User("vera", role))
        return show_page("conversations", conversation="c-ada")

    yield run
    st.cache_data.clear()


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def test_the_dashboard_shows_a_pair_masked_and_records_who_decides(
    open_as: Open, installation: Installation
) -> None:
    app = open_as("reviewer")
    assert "Maybe the same person (1)" in [each.label for each in app.expander]
    shown = [each.value for each in app.text]
    assert "eve" in shown
    assert not any(PHONE in each for each in shown)
    app.button(key="merge eve").click().run()
    assert not app.exception, app.exception
    assert "The same person" not in labels(app)
    stored = Record(installation.settings, installation.clock)
    stored.seal()
    stored.load()
    (merged,) = stored.query(
        "select contact_id, payload from events where event_type = 'contact.merged'"
    )
    assert merged["contact_id"] == "eve"
    assert '"decided_by":"vera"' in merged["payload"].replace(" ", "")


def test_a_pair_that_is_declined_on_the_dashboard_is_gone(
    open_as: Open, installation: Installation
) -> None:
    app = open_as("admin")
    app.button(key="decline eve").click().run()
    assert not app.exception, app.exception
    assert "Two people" not in labels(app)
    assert waiting(installation) == []


def test_a_viewer_sees_no_pair(open_as: Open) -> None:
    app = open_as("viewer")
    assert "Two people" not in labels(app)
