"""Fixtures of most tests: a clock, a data folder, the API, the record, a browser."""

import os
import random
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.log.storage.state_reader import unreadable_states
from ingest.settings import Settings
from tests.api_server import WRITER, Installation, run_server
from tests.conversation_calls import PEOPLE, send
from tests.factories import Clock, Ids, Record, create_store
from tests.garbage import forget_applications, keep_what_is_loaded, pause_collection
from tests.installations import installed
from tests.postgres_server import PostgresServer, postgres_server
from tests.real_files import table
from tests.webhook_receiver import Receiver, webhook_receiver

FAULTS = Path(__file__).parent / "faults"
"""The folder of the tests that kill processes and cut the power: all are long."""

SEED = "CONVOLAKE_TEST_SEED"
"""Environment variable: the workers of pytest-xdist inherit it."""


def pytest_configure(config: pytest.Config) -> None:
    pause_collection()
    seed = config.getoption("--seed")
    if seed is not None:
        os.environ[SEED] = str(seed)
    os.environ.setdefault(SEED, str(random.randrange(10**6)))  # noqa: S311
    os.environ.setdefault(WRITER, "thread")  # starting a process takes a second


def pytest_report_header() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "dagster"))
    return f"{versions}, repeat the random choices with --seed {os.environ[SEED]}"


def pytest_collection_finish() -> None:
    keep_what_is_loaded()


def pytest_runtest_teardown() -> None:
    forget_applications()


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Seed each test separately, so that a failed one can be repeated alone."""
    random.seed(f"{os.environ[SEED]} {request.node.nodeid}")


@pytest.fixture(autouse=True)
def no_unreadable_states() -> None:
    """Forget the damaged states of other tests, as a new process would."""
    unreadable_states.repaired.clear()
    unreadable_states.lost.clear()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=("sqlite", "postgresql"), default="sqlite",
        help="database of the log in tests that use the fixture `store_url`",
    )  # fmt: skip
    parser.addoption(
        "--formats", action="store_true", help="print what each import format gave of real files"
    )
    parser.addoption("--seed", type=int, help="seed of the random choices; printed at the start")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--formats"):
        for line in table():
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    database = config.getoption("--database")
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[database]
    skipped = pytest.mark.skip(reason=f"for {other} only")
    for item in items:
        if FAULTS in item.path.parents:
            item.add_marker("long")
        if item.get_closest_marker(other):
            item.add_marker(skipped)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this worker's own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str | None:
    """A new database for the log, of the kind that `--database` says; None: the data folder's."""
    if request.config.getoption("--database") == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, store_url: str | None) -> Settings:
    """With the mark `allows_loopback`, webhooks and hooks may have loopback addresses."""
    networks = {"127.0.0.0/8"} if request.node.get_closest_marker("allows_loopback") else set()
    return Settings(data=tmp_path / "data", store_url=store_url, webhook_networks=networks)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks and hook calls."""
    with webhook_receiver() as found:
        yield found


@pytest.fixture
def fast_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll often: the dispatcher cannot see that the test moved its clock."""
    monkeypatch.setattr("ingest.delivery.dispatcher.POLL_SECONDS", 0.02)


@pytest.fixture
def api(settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """The API over a fresh data folder, with a key."""
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    with TestClient(
        FastPathMiddleware(create_app(settings, clock, Ids())), raise_server_exceptions=False
    ) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield client


@pytest.fixture
def record(settings: Settings, clock: Clock) -> Record:
    """The log, lake and warehouse of a new data folder, without HTTP."""
    return Record(settings, clock)


@pytest.fixture
def installation(settings: Settings, clock: Clock) -> Iterator[Installation]:
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock, Ids()))) as url:
        running = Installation(url, key, settings, clock)
        with running.http:
            yield running


@pytest.fixture(scope="module")
def audit_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The API to which a dashboard in a test reports who sees what, over a data folder of its own."""
    with installed(tmp_path_factory.mktemp("audit")) as running:
        yield running


CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Chromium without a screen."""
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(flag)
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER)
    )
    yield driver
    driver.quit()


@pytest.fixture
def opened(api: TestClient) -> TestClient:
    """An API with a conversation `c1` of a customer and a bot."""
    send(api, "POST", "", conversation_id="c1", channel="web", participants=PEOPLE)
    return api
