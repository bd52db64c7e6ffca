"""When Python collects garbage in a process that creates many objects at once, and few cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = 50_000, 20, 100
"""Python's own are 700, 10, 10: with them scanning took two fifths of the processor time of an import's main thread."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely until the block ends, and never scan the objects that exist at its start."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
