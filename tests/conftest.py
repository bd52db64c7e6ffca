"""What most tests need: a clock of their own, a data folder, the API, the way to the warehouse."""

from collections.abc import Iterator
from pathlib import Path

import dagster
import duckdb
import pyarrow
import pytest
from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.hot import HotPath
from ingest.api.keys import local_key
from ingest.settings import Settings
from tests.factories import Clock, Ids, Record


def pytest_report_header() -> str:
    return (
        f"duckdb {duckdb.__version__}, pyarrow {pyarrow.__version__}, dagster {dagster.__version__}"
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def api(settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """The API over a fresh data folder, with a key."""
    key = local_key(settings, clock())
    with TestClient(
        HotPath(create_app(settings, clock, Ids())), raise_server_exceptions=False
    ) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield client


@pytest.fixture
def record(settings: Settings, clock: Clock) -> Record:
    """The log, lake and warehouse of a fresh data folder, without HTTP between."""
    return Record(settings, clock)
