"""The conversation API's ingest stats and rejected events."""

from dataclasses import dataclass
from itertools import islice

import polars as pl
import streamlit as st

from dashboards.api_client import NoKeyError, open_client
from ingest.client import Client, ClientError, RejectedEvent, SourceStats
from ingest.settings import Settings

TTL_SECONDS = 5
MAX_REJECTED_EVENTS = 25
"""Maximum number of rejected events on the page; `convolake rejected list` shows all."""


@dataclass(frozen=True)
class ApiStats:
    """Counters by source and the newest rejected events.

    `stored` is the number of stored events; `warning` says that the log accepts no events, or that states
    are damaged.
    """

    stored: int
    counters: pl.DataFrame
    rejected: pl.DataFrame
    warning: str | None = None

    @property
    def agrees(self) -> bool:
        """Return whether received = accepted + duplicate + conflict + rejected + parked, and stored = accepted + generated."""
        parts = pl.sum_horizontal("accepted", "duplicate", "conflict", "rejected", "parked")
        each = self.counters.select((pl.col("received") == parts).all()).item()
        total = self.counters.select(pl.sum("accepted", "generated")).sum_horizontal().sum()
        return bool(each) and total == self.stored


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_api_stats() -> ApiStats | str:
    """Return the stats, or why the API returns none."""
    try:
        client = open_client(Settings())
        stats = client.ingest_stats()
        rejected = list(islice(client.rejected(), MAX_REJECTED_EVENTS))
        warning = _read_warning(client)
    except (NoKeyError, ClientError) as error:
        return str(error)
    return ApiStats(
        stats.stored, _counters_frame(stats.sources), _rejected_frame(rejected), warning
    )


def _read_warning(client: Client) -> str | None:
    try:
        return client.readiness().detail
    except ClientError as error:
        return str(error)


def _counters_frame(sources: list[SourceStats]) -> pl.DataFrame:
    names = [
        "source",
        "received",
        "accepted",
        "duplicate",
        "conflict",
        "rejected",
        "parked",
        "generated",
    ]
    schema = {name: pl.String if name == "source" else pl.Int64 for name in names}
    return pl.DataFrame(
        [[getattr(each, name) for name in names] for each in sources], schema, orient="row"
    )


def _rejected_frame(events: list[RejectedEvent]) -> pl.DataFrame:
    names = [
        "rejected_id",
        "received_at",
        "source",
        "path",
        "code",
        "detail",
        "raw",
        "size",
        "replayed_at",
    ]
    numbers: dict[str, pl.DataType] = dict.fromkeys(("rejected_id", "size"), pl.Int64())
    instants: dict[str, pl.DataType] = dict.fromkeys(
        ("received_at", "replayed_at"), pl.Datetime("us", "UTC")
    )
    schema = {name: (numbers | instants).get(name, pl.String()) for name in names}
    return pl.DataFrame(
        [[getattr(each, name) for name in names] for each in events], schema, orient="row"
    )
