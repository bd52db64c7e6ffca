"""Times that are expected: exact ones, and those that are known up to a range. Pure."""

from msgspec import Struct


class Moment(Struct, frozen=True, order=True):
    """A time in seconds since 1970, or a duration in seconds, from `earliest` to `latest`."""

    earliest: float
    latest: float

    def __repr__(self) -> str:
        """Return the time, or the range."""
        shown = dict.fromkeys(f"{each:.13g}" for each in (self.earliest, self.latest))
        return " to ".join(shown)

    def includes(self, found: object) -> bool:
        """Return whether this is an expected time."""
        return isinstance(found, int | float) and self.earliest <= found <= self.latest

    def since(self, start: "Moment") -> "Moment":
        """Return the duration since `start`. The product counts whole seconds, so a range has one more on each side."""
        if self.earliest == self.latest and start.earliest == start.latest:
            return exactly(self.earliest - start.earliest)
        return Moment(self.earliest - start.latest - 1, self.latest - start.earliest + 1)


def exactly(seconds: float) -> Moment:
    """Return a time that is known."""
    return Moment(seconds, seconds)
