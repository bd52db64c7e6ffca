"""Models as they are in the code, again after a test that changes them."""

from collections.abc import Iterator

import pytest

from tests.warehouse_contents import CACHED


@pytest.fixture
def original_models() -> Iterator[None]:
    yield
    for cached in CACHED:
        cached.cache_clear()
