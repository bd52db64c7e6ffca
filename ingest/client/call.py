"""One call of the conversation API, and what builds calls. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from ingest.client.answers import Page

PAGE_ITEMS = 100

T = TypeVar("T")


def _any(_: object) -> bool:
    return True


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to the API, and the type of its response."""

    method: str
    path: str
    answer: type[T]
    content: bytes | None = None
    content_type: str = "application/json"
    params: Mapping[str, str] = field(default_factory=dict)
    is_whole: Callable[[T], bool] = _any

    def request(self, http: httpx2.Client | httpx2.AsyncClient, url: str) -> httpx2.Request:
        """Return the HTTP request for the API at `url`. Raises InvalidURL."""
        return http.build_request(
            self.method,
            url + self.path,
            content=self.content,
            params=self.params,
            headers={"content-type": self.content_type},
        )


class NamedCalls:
    """Operations whose calls have ids, so that a repeat is stored once."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        """`new_id` creates the ids that the caller does not give: a retry must use the same ones."""
        self._new_id = new_id

    def _id(self, given: str | None) -> str:
        return self._new_id() if given is None else given


def next_page(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """Return the call for the page after this one, None after the last."""
    if page.cursor is None:
        return None
    return replace(call, params={**call.params, "cursor": page.cursor})


def conversation_path(conversation_id: str) -> str:
    """Return the path of a conversation."""
    return f"/v1/conversations/{quote(conversation_id, safe='')}"


def page_call(
    path: str, answer: type[Page[T]], limit: int | None = PAGE_ITEMS, **filters: str | None
) -> Call[Page[T]]:
    """Return the call for the first page of a list, filtered by what is not None or empty.

    `limit` is the number of items a page; None for a list that comes whole.
    """
    wanted = {name: value for name, value in filters.items() if value}
    return Call(
        "GET", path, answer, params=wanted if limit is None else {"limit": str(limit), **wanted}
    )


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def encode_fields(**fields: Any) -> bytes:
    """Return a JSON body of the fields that have a value."""
    return msgspec.json.encode(without_none(fields))
