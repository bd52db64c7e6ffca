"""Who is typing: kept in memory for at most half a minute."""

from collections.abc import Callable


class TypingRegistry:
    """The typing participants by conversation, in memory only, with the server's clock."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds."""
        self._clock = clock
        self._until: dict[str, dict[str, int]] = {}

    def start(self, conversation_id: str, participant_id: str, seconds: int) -> bool:
        """Add an indicator; return whether the participant was not typing before."""
        typing = self._until.setdefault(conversation_id, {})
        is_new = typing.get(participant_id, 0) <= self._clock()
        typing[participant_id] = self._clock() + seconds * 1_000_000
        return is_new

    def stop(self, conversation_id: str, participant_id: str) -> bool:
        """Remove an indicator; return whether the participant was typing."""
        return self._until.get(conversation_id, {}).pop(participant_id, 0) > self._clock()

    def active(self, conversation_id: str) -> dict[str, int]:
        """Return who is typing, and until when."""
        now = self._clock()
        left = {who: at for who, at in self._until.get(conversation_id, {}).items() if at > now}
        if left:
            self._until[conversation_id] = left
        else:
            self._until.pop(conversation_id, None)
        return left
