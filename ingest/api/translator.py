"""Translates calls of providers: one alone, or several with one reading of the store."""

import logging
from collections.abc import Sequence

from sqlalchemy import Engine

from ingest.accounts import provider_messages
from ingest.api.channel_result import CallResult
from ingest.api.channel_translation import CallTranslation, ReadCall
from ingest.channels.source import CHANNEL_SOURCE
from ingest.clock import Clock
from ingest.contract import MICROSECOND
from ingest.identity.resolver import Resolver
from ingest.log.storage.engine import open_engine
from ingest.log.storage.keyed_rows import EngineReader, Reader
from ingest.settings import Settings

logger = logging.getLogger(__name__)


def open_translator(settings: Settings, clock: Clock) -> "Translator":
    """Return a translator with connections of its own: it never waits for one that requests read with."""
    engine = open_engine(settings.database_url, read_only=True)
    return Translator(engine, Resolver(engine, clock), settings.parked_ttl // MICROSECOND)


class Translator:
    """Translates calls: where the writer runs, right before the commit that stores them. Thread-safe."""

    def __init__(self, engine: Engine, resolver: Resolver, waits: int) -> None:
        """`engine` only reads; `waits`: microseconds that an item waits for its message."""
        self._engine = engine
        self._resolver = resolver
        self._waits = waits

    def close(self) -> None:
        """Close the connections to the store."""
        self._engine.dispose()

    def translate(self, read: ReadCall, *, may_wait: bool = True) -> CallResult:
        """Return what the items become. Without `may_wait` nothing waits for a send."""
        return self._start(read, may_wait=may_wait).translate()

    def translate_all(
        self, reads: Sequence[ReadCall], reader: Reader | None = None
    ) -> list[CallResult | Exception]:
        """Return what each call becomes, or its error: one call costs the others nothing.

        `reader`: reads the store once for all of them; without one the engine does.
        """
        try:
            return [*self._translate_together(reads, reader or EngineReader(self._engine))]
        except Exception:
            logger.exception("calls of providers could not be translated together")
        return [self._translate_alone(each) for each in reads]

    def _start(self, read: ReadCall, *, may_wait: bool = True) -> CallTranslation:
        return CallTranslation(self._engine, self._resolver, self._waits, read, may_wait=may_wait)

    def _translate_alone(self, read: ReadCall) -> CallResult | Exception:
        try:
            return self.translate(read)
        except Exception as error:
            return error

    def _translate_together(self, reads: Sequence[ReadCall], reader: Reader) -> list[CallResult]:
        """Read the store once. A call with an event that is in the log by now is translated alone."""
        calls = [self._start(each) for each in reads]
        resolved = self._resolver.resolve_all([each.begin() for each in calls], reader)
        ids = [each.event_ids() for each in calls]
        # Read after everything else: what another process stored meanwhile is seen here.
        stored = provider_messages.find_events(
            reader, [each for some in ids for each in some], CHANNEL_SOURCE
        )
        return [
            call.finish(resolutions) if stored.isdisjoint(some) else self.translate(read)
            for read, call, resolutions, some in zip(reads, calls, resolved, ids, strict=True)
        ]
