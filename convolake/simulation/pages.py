"""Reads a list of the API completely, as JSON: fields that the client leaves out are in it."""

from collections.abc import Iterator
from typing import Any

import httpx2

PAGE_ITEMS = 100


def read_pages(http: httpx2.Client, path: str) -> Iterator[dict[str, Any]]:
    """Yield each item. Raises HTTPError."""
    parameters: dict[str, Any] = {"limit": PAGE_ITEMS}
    while True:
        page = http.get(path, params=parameters).raise_for_status().json()
        yield from page["items"]
        if not page["has_more"]:
            return
        parameters["cursor"] = page["cursor"]
