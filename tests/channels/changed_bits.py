"""Copies of bytes with one changed bit each."""

from collections.abc import Iterator

from hypothesis import strategies as st


def with_changed_bits(given: bytes, data: st.DataObject, count: int = 5) -> Iterator[bytes]:
    """Yield copies with one changed bit each, at places spread from a drawn one; none of empty bytes."""
    bits = 8 * len(given)
    first = data.draw(st.integers(0, max(bits - 1, 0)))
    for number in range(count if bits else 0):
        place = (first + number * (bits // count or 1)) % bits
        changed = bytearray(given)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)
