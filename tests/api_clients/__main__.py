"""Lint the API's documents, generate both clients, and let each play the omnichannel story.

Argument: the folder with the programs of `.venv-api` (node, npx, openapi-python-client, python).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_clients.documents import GENERATED, write_documents
from tests.factories import create_store, free_port
from tests.faults.processes import running

HERE = GENERATED.parent


def main(programs: Path) -> None:
    """Run every step. Raises CalledProcessError at the first that fails."""
    write_documents()
    lint_documents(programs)
    generate_clients(programs)
    with tempfile.TemporaryDirectory() as folder:
        play_stories(programs, Path(folder))


def lint_documents(programs: Path) -> None:
    """Lint both documents with redocly and spectral. An error fails, a warning does not."""
    files = ["generated/openapi.json", "generated/asyncapi.json"]
    for file in files:
        run(programs, "npx", "redocly", "lint", file, "--config", "redocly.yaml")
    run(programs, "npx", "spectral", "lint", *files, "--ruleset", "spectral.yaml")


def generate_clients(programs: Path) -> None:
    """Generate the Python package `generated/python/generated`, and the types `generated/api.ts`."""
    document = "generated/openapi.json"
    run(programs, "openapi-python-client", "generate", "--path", document, "--meta", "none",
        "--output-path", "generated/python/generated", "--overwrite")  # fmt: skip
    run(programs, "npx", "openapi-typescript", document, "--output", "generated/api.ts")
    run(programs, "npx", "tsc", "--project", "tsconfig.json")


def play_stories(programs: Path, folder: Path) -> None:
    """Start an API in `folder`, and let both clients play on it."""
    settings = Settings(data=folder / "place" / "data", port=free_port())
    create_store(settings)
    key = get_or_create_local_key(settings, wall_clock())
    with (
        running(settings, CONVOLAKE_WEBHOOK_NETWORKS="127.0.0.0/8"),
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        run(programs, "python", "story.py", str(GENERATED / "python"), settings.url, key)
        run(programs, "node", "story.ts", settings.url, key)


def run(programs: Path, *command: str) -> None:
    """Run a program of the folder `programs`, here."""
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [str(programs / command[0]), *command[1:]],
        cwd=HERE,
        env=os.environ
        | {"PATH": path, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        check=True,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
