"""The processes of the API load what they need: each library of the lake and the warehouse takes 10 to 30 MiB."""

import subprocess
import sys

import pytest

NOT_NEEDED = ("duckdb", "numpy", "polars", "pyarrow", "rich", "typer")


@pytest.mark.parametrize(
    "process",
    [
        "convolake.api_service",
        "ingest.api.app",
        "ingest.api.worker_group",
        "ingest.api.writer_process",
    ],
)
def test_a_process_of_the_api_loads_no_library_of_the_lake_or_the_warehouse(process: str) -> None:
    code = f"import sys, {process}; print([each for each in {NOT_NEEDED} if each in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
