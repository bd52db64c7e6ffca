"""Roles and sign-in: who may do what, who a user is, and that no one else sees anything."""

import json
import os
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from selenium.webdriver.common.by import By
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from convolake.cli import app as command_line
from dashboards import sign_in
from dashboards.pages import PAGES
from dashboards.roles import ROLES, RULES, Permission, Role, User, roles_with
from dashboards.serve import SignInError, command
from ingest.settings import Settings
from pipelines import dagster_home
from tests.api_server import Installation, wait_until
from tests.dashboard_app import APP, show_page
from tests.factories import Clock, Record, free_port, make_conversation, make_event
from tests.served_dashboard import answers

pytestmark = pytest.mark.long

TEXT = "the code of the safe is 4711"
NOON = 1_900_000_000
GIVEN: dict[str, Role] = {
    "vera@example.com": "viewer",
    "noor@example.com": "reviewer",
    "sofia@example.com": "analyst",
    "ann@example.com": "admin",
}


# --- what a role may do ---------------------------------------------------------------


def test_each_role_may_what_the_one_before_it_may_and_more() -> None:
    allowed = [{name for name in RULES if User("x", role).may(name)} for role in ROLES]
    assert ROLES == ("viewer", "reviewer", "analyst", "admin")
    for lower, higher in pairwise(allowed):
        assert lower < higher
    assert allowed[-1] == set(RULES)


@pytest.mark.parametrize("permission", RULES)
def test_a_permission_begins_with_the_role_of_its_rule(permission: Permission) -> None:
    lowest = ROLES.index(RULES[permission].lowest)
    assert roles_with(permission) == ROLES[lowest:]
    assert [User("x", role).may(permission) for role in ROLES] == [
        place >= lowest for place in range(len(ROLES))
    ]
    assert not User("x", None).may(permission)


def test_what_issue_and_guide_promise_of_the_roles() -> None:
    lowest = {name: rule.lowest for name, rule in RULES.items()}
    assert lowest == {
        "figures.read": "viewer",
        "audit.read": "admin",
        "transcript.read": "viewer",
        "review.write": "reviewer",
        "desk.use": "reviewer",
        "contact.merge": "reviewer",
        "export.download": "analyst",
        "sql.query": "analyst",
        "health.read": "admin",
        "mask.lift": "admin",
    }


# --- who a user is --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"email": "Noor@Example.com"}, User("noor@example.com", "reviewer")),
        ({"email": "noor@example.com", "email_verified": True}, User("noor@example.com", "reviewer")),
        ({"email": "noor@example.com", "email_verified": "false", "sub": "7"}, User("7", None)),
        ({"email": "noor@example.com", "email_verified": False, "sub": "7"}, User("7", None)),
        ({"email": "eve@example.com", "sub": "8"}, User("eve@example.com", None)),
        ({"sub": "9"}, User("9", None)),
        ({"sub": ".Ünal x"}, User("%2E%C3%9Cnal%20x", None)),
        ({"email": ["noor@example.com"], "sub": "9"}, User("9", None)),
        ({}, User("unknown", None)),
    ],
)  # fmt: skip
def test_a_user_has_the_role_of_the_verified_address(claims: dict[str, Any], user: User) -> None:
    assert sign_in.user_of(claims, "email", GIVEN) == user


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["qa", "data"], "analyst"), (["QA"], "reviewer"), ("data", "analyst"), ([], None), (7, None)],
)
def test_of_several_groups_the_highest_role_counts(groups: object, role: Role | None) -> None:
    roles: dict[str, Role] = {"qa": "reviewer", "data": "analyst"}
    assert sign_in.user_of({"sub": "7", "groups": groups}, "groups", roles).role == role


@pytest.mark.parametrize(
    ("issued_at", "is_recent"),
    [(NOON, True), (NOON - 12 * 3600 + 1, True), (NOON - 12 * 3600, False), (None, False), ("x", False)],
)  # fmt: skip
def test_a_sign_in_counts_for_twelve_hours(issued_at: object, is_recent: bool) -> None:
    assert sign_in.is_recent({"iat": issued_at}, NOON) == is_recent


# --- the address and the settings -----------------------------------------------------

OIDC = {
    "oidc_issuer": "https://login.example.com/",
    "oidc_client_id": "dashboard",
    "oidc_client_secret": 'a "secret" ü',
}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_without_sign_in_the_dashboard_is_served_on_this_machine(tmp_path: Path, host: str) -> None:
    assert f"--server.address={host}" in command(Settings(data=tmp_path, host=host))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "dashboard.example.com"])  # noqa: S104
def test_without_sign_in_the_dashboard_is_not_served_to_others(tmp_path: Path, host: str) -> None:
    with pytest.raises(SignInError, match=r"Set CONVOLAKE_OIDC_ISSUER .*CONVOLAKE_DASHBOARD_HOST"):
        command(Settings(data=tmp_path, host=host))
    near = command(Settings(data=tmp_path, host=host, dashboard_host="127.0.0.1"))
    assert "--server.address=127.0.0.1" in near


def test_dagster_stays_on_this_machine_where_the_api_listens_on_the_network(
    settings: Settings,
) -> None:
    """Its pages start and stop jobs and have no sign-in."""
    started = dagster_home.command(settings.model_copy(update={"host": "0.0.0.0"}))  # noqa: S104
    assert started[started.index("--host") + 1] == "127.0.0.1"


def test_up_says_what_to_set_and_starts_nothing(tmp_path: Path) -> None:
    ports = {f"CONVOLAKE_{name}PORT": str(free_port()) for name in ("", "DAGSTER_", "DASHBOARD_")}
    environment = {"CONVOLAKE_DATA": str(tmp_path / "data"), "CONVOLAKE_HOST": "0.0.0.0"}  # noqa: S104
    result = CliRunner().invoke(command_line, ["up"], env=environment | ports)
    assert result.exit_code == 1
    assert "CONVOLAKE_OIDC_ISSUER" in result.output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("missing", OIDC)
def test_a_part_of_the_sign_in_is_not_enough(tmp_path: Path, missing: str) -> None:
    given = {name: value for name, value in OIDC.items() if name != missing}
    with pytest.raises(SignInError, match=f"needs CONVOLAKE_{missing.upper()}"):
        command(Settings(data=tmp_path, **given))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_the_secrets_of_the_sign_in_are_in_a_file_of_the_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, dashboard_url="https://lake.example.com/", **OIDC)  # type: ignore[arg-type]
    settings.sign_in_path.write_text("old")
    settings.sign_in_path.chmod(0o644)
    arguments = command(settings)
    assert f"--secrets.files={settings.sign_in_path}" in arguments
    assert not any("secret" in each for each in arguments if "secrets.files" not in each)
    assert stat.S_IMODE(settings.sign_in_path.stat().st_mode) == 0o600
    section = tomllib.loads(settings.sign_in_path.read_text("utf-8"))["auth"]
    assert len(section.pop("cookie_secret")) == 64
    assert section == {
        "redirect_uri": "https://lake.example.com/oauth2callback",
        "client_id": "dashboard",
        "client_secret": 'a "secret" ü',
        "server_metadata_url": "https://login.example.com/.well-known/openid-configuration",
        "client_kwargs": {"scope": "openid email profile"},
    }


def test_a_sign_in_on_all_addresses_needs_the_url_that_browsers_use(tmp_path: Path) -> None:
    everywhere = Settings(data=tmp_path, host="0.0.0.0", **OIDC)  # type: ignore[arg-type] # noqa: S104
    with pytest.raises(SignInError, match="CONVOLAKE_DASHBOARD_URL"):
        command(everywhere)


def test_a_wrong_role_in_the_settings_is_reported_without_a_secret(tmp_path: Path) -> None:
    environment = {"CONVOLAKE_DATA": str(tmp_path), "CONVOLAKE_OIDC_ROLES": '{"a@b.c": "king"}'}
    result = CliRunner().invoke(command_line, ["verify"], env=environment)
    assert "king" in str(result.exception)


# --- without sign-in ------------------------------------------------------------------


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], AppTest]:
    """Open a page of a dashboard without sign-in."""
    monkeypatch.setenv("CONVOLAKE_DATA", str(tmp_path / "data"))
    st.cache_data.clear()

    def run(page: str) -> AppTest:
        return show_page(page)

    return run


@pytest.mark.parametrize("page", [each.folder for each in PAGES])
def test_the_local_user_may_open_every_page(local: Callable[[str], AppTest], page: str) -> None:
    app = local(page)
    assert [each.value for each in app.title] == [
        each.title for each in PAGES if each.folder == page
    ]
    assert not any("Your role is" in each.value for each in app.info)


def test_the_account_page_shows_the_table_of_the_roles(local: Callable[[str], AppTest]) -> None:
    [table] = local("account").dataframe
    rows = table.value.to_dict("records")
    assert [row["act"].casefold() for row in rows] == [
        rule.allows.casefold() for rule in RULES.values()
    ]
    assert [row["roles"] for row in rows] == [", ".join(roles_with(name)) for name in RULES]
    assert all(row["allowed"] for row in rows)


# --- with sign-in, in a browser -------------------------------------------------------


@contextmanager
def running(argv: list[str], probe: str, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; enter the block when it answers at `probe`."""
    environment = {**os.environ, "PYTHONPATH": str(APP.parent.parent), **environment}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: answers(probe), 60, f"{probe} answers")
            yield
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The URL of a provider that knows everyone with a role, and two others, and asks for no password."""
    people: list[dict[str, Any]] = [
        {"sub": email.partition("@")[0], "email": email} for email in GIVEN
    ]
    people.append({"sub": "eve", "email": "eve@example.com"})
    people.append({"sub": "fake", "email": "ann@example.com", "email_verified": False})
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    for person in people:
        argv += ["--user-claims", json.dumps(person)]
    with running(argv, f"{url}/.well-known/openid-configuration"):
        yield url


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, audit_api: Installation, provider: str
) -> Iterator[str]:
    """A dashboard whose users sign in, started as in production."""
    environment = {
        **audit_api.environment,
        "CONVOLAKE_DATA": str(tmp_path_factory.mktemp("sign-in") / "data"),
        "CONVOLAKE_DASHBOARD_PORT": str(free_port()),
        "CONVOLAKE_OIDC_ISSUER": provider,
        "CONVOLAKE_OIDC_CLIENT_ID": "dashboard",
        "CONVOLAKE_OIDC_CLIENT_SECRET": "secret",
        "CONVOLAKE_OIDC_ROLES": json.dumps(GIVEN),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Settings()
    Record(settings, Clock()).publish([*make_conversation("c1"), make_event(text=TEXT)])
    url = f"http://127.0.0.1:{settings.dashboard_port}"
    with running(command(settings), f"{url}/_stcore/health", **environment):
        yield url


def shown(browser: Any) -> str:
    return str(browser.execute_script("return document.body.innerText"))


def see(browser: Any, text: str) -> None:
    wait_until(lambda: text in shown(browser), 60, f"{browser.current_url} shows {text!r}")


def press(browser: Any, label: str) -> None:
    xpath = f"//button[normalize-space()='{label}' or .//p[normalize-space()='{label}']]"
    wait_until(lambda: browser.find_elements(By.XPATH, xpath), 60, f"there is {label!r}")
    browser.find_element(By.XPATH, xpath).click()


def sign_in_as(browser: Any, site: str, who: str) -> None:
    browser.get(site)
    press(browser, "Sign in")
    press(browser, who)


@pytest.mark.parametrize("page", ["", "conversations?conversation=c1", "health", "account"])
def test_who_is_not_signed_in_sees_only_how_to_sign_in(browser: Any, site: str, page: str) -> None:
    browser.get(f"{site}/{page}")
    see(browser, "Sign in to see the dashboard.")
    assert "safe" not in shown(browser)
    assert not any(each.title in shown(browser) for each in PAGES)


@pytest.mark.parametrize(("email", "role"), GIVEN.items())
def test_each_role_sees_its_pages_and_why_it_does_not_see_the_others(
    browser: Any, site: str, email: str, role: Role
) -> None:
    browser.set_window_size(1440, 1000)
    sign_in_as(browser, site, email.partition("@")[0])
    see(browser, "Handoff rate")
    user = User(email, role)
    for page in PAGES:
        assert (page.title in shown(browser)) == user.may(page.permission), page.title
    for page in PAGES:
        if not user.may(page.permission):
            browser.get(f"{site}/{page.folder}")
            see(browser, f"Your role is {role}.")
            see(browser, f"you need the role {RULES[page.permission].lowest}")
    browser.get(f"{site}/account")
    see(browser, email)


def test_a_signed_in_user_reads_a_transcript_under_their_name(
    browser: Any, site: str, audit_api: Installation
) -> None:
    sign_in_as(browser, site, "vera")
    see(browser, "Handoff rate")
    browser.get(f"{site}/conversations?conversation=c1")
    see(browser, TEXT)
    log = Record(audit_api.settings, audit_api.clock).log
    [row] = log("select participant_id, payload from events where event_type = 'transcript.viewed'")
    assert row["participant_id"] == "vera@example.com"
    assert json.loads(row["payload"]) == {"role": "viewer", "conversation_id": "c1"}
    browser.get(f"{site}/conversations")
    see(browser, "To download rows as files, you need the role analyst")


@pytest.mark.parametrize("who", ["eve", "fake"])
def test_a_user_without_a_role_sees_nothing_but_the_reason(
    browser: Any, site: str, who: str
) -> None:
    sign_in_as(browser, site, who)
    see(browser, "you have no role, so nothing is shown")
    browser.get(f"{site}/conversations?conversation=c1")
    see(browser, "you have no role, so nothing is shown")
    assert TEXT not in shown(browser)
    assert "Overview" not in shown(browser)


def test_after_signing_out_nothing_is_shown(browser: Any, site: str) -> None:
    sign_in_as(browser, site, "ann")
    see(browser, "Handoff rate")
    browser.get(f"{site}/account")
    press(browser, "Sign out")
    wait_until(lambda: "end_session" in browser.current_url, 60, "the provider is asked")
    browser.get(f"{site}/conversations?conversation=c1")
    see(browser, "Sign in to see the dashboard.")
    assert TEXT not in shown(browser)
