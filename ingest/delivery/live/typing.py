"""Who is typing: kept in memory for at most half a minute."""

from collections.abc import Callable


class TypingRegistry:
    """Who types where, by our clock; in memory only."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds."""
        self._clock = clock
        self._until: dict[str, dict[str, int]] = {}

    def start(self, conversation_id: str, participant_id: str, seconds: int) -> bool:
        """Note it; whether they did not type before."""
        typing = self._until.setdefault(conversation_id, {})
        is_new = typing.get(participant_id, 0) <= self._clock()
        typing[participant_id] = self._clock() + seconds * 1_000_000
        return is_new

    def stop(self, conversation_id: str, participant_id: str) -> bool:
        """Forget it; whether they typed."""
        return self._until.get(conversation_id, {}).pop(participant_id, 0) > self._clock()

    def active(self, conversation_id: str) -> dict[str, int]:
        """Who types now, and until when."""
        now = self._clock()
        left = {who: at for who, at in self._until.get(conversation_id, {}).items() if at > now}
        if left:
            self._until[conversation_id] = left
        else:
            self._until.pop(conversation_id, None)
        return left
