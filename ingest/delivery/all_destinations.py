"""Several registries as one: webhooks and channel accounts share the dispatcher."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ClauseElement, ColumnElement

from ingest.contract import Cursor
from ingest.delivery.destinations.base import Destination, DestinationRegistry


class AllDestinations:
    """The destinations of several registries, each found by how its ids begin."""

    def __init__(
        self, default: DestinationRegistry, by_prefix: Mapping[str, DestinationRegistry]
    ) -> None:
        """`default` has the ids that begin with no prefix."""
        self._default = default
        self._by_prefix = by_prefix

    def list_destinations(self) -> Sequence[Destination]:
        """Return every destination of every registry."""
        registries = (self._default, *self._by_prefix.values())
        return [found for each in registries for found in each.list_destinations()]

    def get_destination(self, destination_id: str) -> Destination | None:
        """Return a destination, or None."""
        return self._of(destination_id).get_destination(destination_id)

    def exists(self, destination_id: str) -> ColumnElement[bool]:
        """Return the condition that a destination was not deleted."""
        return self._of(destination_id).exists(destination_id)

    def save_cursor(self, destination_id: str, cursor: Cursor) -> ClauseElement:
        """Return the statement that saves how far the destination has read."""
        return self._of(destination_id).save_cursor(destination_id, cursor)

    def disable(self, destination_id: str, reason: str, now: int) -> ClauseElement:
        """Return the statement that disables a destination."""
        return self._of(destination_id).disable(destination_id, reason, now)

    def _of(self, destination_id: str) -> DestinationRegistry:
        for prefix, registry in self._by_prefix.items():
            if destination_id.startswith(prefix):
                return registry
        return self._default
