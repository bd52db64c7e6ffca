"""The worked queries of the documentation run on simulated conversations, and each answers with rows."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from convolake.simulate import history
from ingest.settings import Settings
from tests.factories import Clock, Record
from warehouse.lake import connect
from warehouse.read_only_sql import lock_down, one_select

PAGE = (Path(__file__).parent.parent / "docs/queries.md").read_text()
TITLED = re.findall(r"## (\d+\. .+?)\n(?:.(?!## ))*?```sql\n(.+?)```", PAGE, re.DOTALL)
NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Record:
    record = Record(Settings(data=tmp_path_factory.mktemp("queries")), Clock(NOW))
    record.publish(list(history(7, 12, NOW)))
    return record


def test_there_are_at_least_ten_worked_queries() -> None:
    assert len(TITLED) == len(re.findall(r"^## \d+\.", PAGE, re.MULTILINE)) >= 10


@pytest.mark.parametrize("query", [query for _, query in TITLED], ids=[name for name, _ in TITLED])
def test_a_worked_query_answers(simulated: Record, query: str) -> None:
    warehouse = simulated.settings.warehouse_path
    with connect(warehouse) as con:
        lock_down(con, warehouse)
        assert con.execute(one_select(con, query)).fetchall() != []


def test_the_python_example_runs(simulated: Record) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    environment = {"CONVOLAKE_DATA": str(simulated.settings.data), "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", example], env=environment, capture_output=True, text=True, check=True,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert "whatsapp" in found.stdout
