"""Builds the deferred appends of one commit, before it begins."""

from collections.abc import Sequence

from ingest.log.storage.keyed_rows import Reader
from ingest.log.writer_requests import DeferredAppend, WriterRequest


def build_appends(
    requests: Sequence[WriterRequest], reader: Reader
) -> list[WriterRequest | Exception]:
    """Return the requests with an append in place of each deferred one, or the error of its building."""
    built: list[WriterRequest | Exception] = list(requests)
    deferred = [
        (number, each) for number, each in enumerate(requests) if isinstance(each, DeferredAppend)
    ]
    for build in dict.fromkeys(each.build for _, each in deferred):
        some = [(number, each.content) for number, each in deferred if each.build == build]
        appends = build([content for _, content in some], reader)
        for (number, _), append in zip(some, appends, strict=True):
            built[number] = append
    return built
