"""A team that reviews."""

import pytest
from fastapi.testclient import TestClient

from tests.reviews.team import Team


@pytest.fixture
def team(api: TestClient) -> Team:
    """A team with the conversations c1 to c4."""
    team = Team(api)
    team.open(4)
    return team
