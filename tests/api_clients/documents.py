"""Writes the API's documents into files for linters and generators."""

import json
from pathlib import Path

from ingest.api.app import create_app
from ingest.api.asyncapi_document import asyncapi_document
from ingest.settings import Settings

GENERATED = Path(__file__).parent / "generated"


def write_documents() -> None:
    """Write `openapi.json` and `asyncapi.json`."""
    GENERATED.mkdir(exist_ok=True)
    openapi = create_app(Settings()).openapi()
    for name, document in (("openapi", openapi), ("asyncapi", asyncapi_document(openapi))):
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (GENERATED / f"{name}.json").write_text(text)


if __name__ == "__main__":
    write_documents()
