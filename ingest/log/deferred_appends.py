"""Builds the deferred appends of one commit, before it begins."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingest.log.storage.keyed_rows import Reader
from ingest.log.writer_requests import Append, DeferredAppend, UnreadableRequest, WriterRequest

Build = Callable[[Sequence[Any], Reader], Sequence[Append | Exception]]
"""Receives the contents of one commit together, where the writer runs, and a reader on the writer's own connection.

Returns an append or an error for each, and may run again for the same contents.
"""

Builders = Mapping[str, Build]
"""The builders of a writer, by name."""


def build_appends(
    requests: Sequence[WriterRequest], builders: Builders, reader: Reader
) -> list[WriterRequest | Exception]:
    """Return the requests with an append in place of each deferred one, or the error of its building.

    A request that cannot be read gets an error too.
    """
    built: list[WriterRequest | Exception] = [
        RuntimeError(each.reason) if isinstance(each, UnreadableRequest) else each
        for each in requests
    ]
    deferred = [
        (number, each) for number, each in enumerate(requests) if isinstance(each, DeferredAppend)
    ]
    for name in dict.fromkeys(each.builder for _, each in deferred):
        some = [(number, each) for number, each in deferred if each.builder == name]
        appends = builders[name]([each.content for _, each in some], reader)
        for (number, each), append in zip(some, appends, strict=True):
            built[number] = append
            each.outcome = append.outcome if isinstance(append, Append) else None
    return built
