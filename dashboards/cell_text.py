"""Values of a frame as text for the page."""

from collections.abc import Callable
from typing import Any

import polars as pl


def texts(values: pl.Series, write: Callable[[Any], str]) -> pl.Series:
    """Return each value as `write` writes it, under the same name; null stays null.

    Use it in place of `map_elements`, which calls Python in the threads of Polars. They wait for the
    interpreter's lock, and another session that has it may wait for them: `to_pandas`, with which Streamlit shows
    a table, keeps the lock. The whole dashboard then stops (Polars 2.1, and its issue 26821 for `to_numpy`).
    """
    written = [None if each is None else write(each) for each in values]
    return pl.Series(values.name, written, pl.String)
