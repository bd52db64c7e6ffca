"""The log of the tests of identity."""

from collections.abc import Iterator

import pytest

from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import Clock, create_store
from tests.identity.channel_log import ChannelLog


@pytest.fixture
def log(settings: Settings, clock: Clock) -> Iterator[ChannelLog]:
    create_store(settings)
    engine = open_engine(settings.database_url)
    opened = ChannelLog(engine, settings, clock)
    yield opened
    opened.close()
    engine.dispose()
