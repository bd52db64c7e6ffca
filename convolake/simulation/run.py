"""A simulation with an installation of its own, from the plan to the comparison."""

from collections.abc import Callable, Iterable
from pathlib import Path

import httpx2

from convolake.simulation.clocks import VirtualClock
from convolake.simulation.comparison import Difference, Result, compare_all
from convolake.simulation.expected import expect
from convolake.simulation.found import Found
from convolake.simulation.installation import serve_api
from convolake.simulation.plan import START, Plan
from convolake.simulation.play import Scene, Stage
from convolake.simulation.providers.base import Provider
from convolake.simulation.record import load_record, settings_of
from convolake.simulation.schedule import Delivery, Schedule
from convolake.simulation.warehouse_records import WarehouseRecords

ACCOUNT_ID = "simulated"


def simulate_channel(
    provider: Provider,
    plan: Plan,
    schedule: Schedule,
    folder: Path,
    on_progress: Callable[[int], object] = lambda _: None,
    is_lost: Callable[[Delivery], bool] = lambda _: False,
) -> Result:
    """Play the schedule against an API in `folder`, load, and compare the warehouse with the plan.

    `is_lost`: calls that are not made although the plan expects them, as a control of the comparison.
    """
    settings, clock = settings_of(folder), VirtualClock(START)
    with (
        serve_api(settings, clock) as client,
        httpx2.Client(base_url=client.url, headers=client.headers, timeout=60) as http,
    ):
        stage = Stage(Scene(provider, plan, ACCOUNT_ID), client, http, clock)
        played = stage.play(schedule.without(is_lost), on_progress)
    load_record(settings)
    return compare_warehouse(provider, plan, schedule, folder, played.differences)


def compare_warehouse(
    provider: Provider,
    plan: Plan,
    schedule: Schedule,
    folder: Path,
    before: Iterable[Difference] = (),
) -> Result:
    """Compare a plan with the warehouse in `folder`, which may be that of another plan."""
    from warehouse.lake import connect

    expected = expect(provider, plan, schedule)
    with connect(settings_of(folder).warehouse_path) as con:
        read = WarehouseRecords(con, ACCOUNT_ID).read
        found = Found(read, Scene(provider, plan, ACCOUNT_ID).parts).rows()
    return compare_all(expected, found, before)
