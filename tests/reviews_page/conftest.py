"""A desk with the reviews page, over a real API, lake and warehouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from tests.review_desk import Desk, make_folder, running_desk


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with conversations and no review."""
    data = tmp_path_factory.mktemp("reviews") / "data"
    make_folder(data)
    return data


@pytest.fixture
def desk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The page and the API over a copy of the folder."""
    st.cache_data.clear()
    with running_desk(folder, tmp_path / "data") as desk:
        monkeypatch.setenv("CONVOLAKE_DATA", str(desk.settings.data))
        monkeypatch.setenv("CONVOLAKE_API_URL", desk.client.url)
        monkeypatch.setenv("CONVOLAKE_API_KEY", desk.key)
        yield desk


@pytest.fixture
def drawn(desk: Desk) -> Desk:
    """A desk with a random sample of four conversations."""
    desk.publish()
    desk.draw(4)
    return desk
