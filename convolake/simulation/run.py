"""One simulation from the plan to the comparison."""

from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2
from msgspec import Struct

from convolake.simulation.bot import Bot
from convolake.simulation.clocks import VirtualClock
from convolake.simulation.comparison import Difference, compare
from convolake.simulation.expected import expect
from convolake.simulation.found import Found
from convolake.simulation.installation import serve_api
from convolake.simulation.parts import Part, index_of
from convolake.simulation.plan import START, Answer, Plan
from convolake.simulation.player import Player
from convolake.simulation.provider_calls import ProviderCalls
from convolake.simulation.providers.base import Provider
from convolake.simulation.record import load_record, settings_of
from convolake.simulation.schedule import Delivery, Schedule
from convolake.simulation.settling import Settling
from convolake.simulation.stand_in import StandIn, listen
from ingest.channels.base import Account
from ingest.client import Client
from ingest.settings import Settings

ACCOUNT_ID = "simulated"


class Result(Struct, frozen=True):
    """The number of compared facts, and every difference."""

    facts: int
    differences: tuple[Difference, ...]


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
    settings, parts = settings_of(folder), index_of(plan, provider)
    played = schedule.without(is_lost)
    problems = _play(provider, parts, played, settings, VirtualClock(START), on_progress)
    load_record(settings)
    result = compare_warehouse(provider, plan, schedule, folder)
    return Result(result.facts, (*problems, *result.differences))


def compare_warehouse(provider: Provider, plan: Plan, schedule: Schedule, folder: Path) -> Result:
    """Compare a plan with the warehouse in `folder`, which may be that of another plan."""
    from warehouse.lake import connect

    expected = expect(provider, plan, schedule)
    with connect(settings_of(folder).warehouse_path) as con:
        found = Found(con, index_of(plan, provider)).rows()
    facts = sum(len(row) for row in expected.values())
    return Result(facts, tuple(compare(expected, found)))


def _play(
    provider: Provider,
    parts: Mapping[str, Part],
    schedule: Schedule,
    settings: Settings,
    clock: VirtualClock,
    on_progress: Callable[[int], object],
) -> list[Difference]:
    """Play the schedule; return what differs before anything is loaded."""
    answers = {key: part for key, part in parts.items() if isinstance(part.said, Answer)}
    stand_in = StandIn(
        provider,
        {part.said.text: key for key, part in answers.items()},
        {key: part.provider_id for key, part in answers.items()},
    )
    with (
        listen(stand_in) as provider_url,
        serve_api(settings, clock) as client,
        httpx2.Client(base_url=client.url, headers=client.headers, timeout=60) as http,
    ):
        account = _open_account(provider, client, provider_url)
        url = _webhook_url(client)
        bot = Bot(client, http)
        calls = ProviderCalls(provider, account, stand_in, http, url, clock)
        player = Player(parts, calls, bot, Settling(bot, http), clock)
        player.play(schedule, stand_in, on_progress)
        rejected = [Difference("rejected event", None, each.detail) for each in client.rejected()]
    problems = [Difference(each, "done", "not done") for each in player.problems]
    return [*problems, *rejected, *_compare_sends(provider, answers, stand_in)]


def _webhook_url(client: Client) -> str:
    return f"{client.url}/channels/{ACCOUNT_ID}"


def _open_account(provider: Provider, client: Client, provider_url: str) -> Account:
    """Create the channel account, and return it as the provider knows it."""
    options = provider.options(provider_url, _webhook_url(client))
    client.create_channel_account(
        provider.adapter, provider.address, provider.secrets, account_id=ACCOUNT_ID, options=options
    )
    return Account(
        account_id=ACCOUNT_ID,
        provider=provider.adapter,
        channel=provider.channel,
        address=provider.address,
        options=options,
        secrets={name: [value] for name, value in provider.secrets.items()},
    )


def _compare_sends(
    provider: Provider, answers: Mapping[str, Part], stand_in: StandIn
) -> list[Difference]:
    """Return the answers that the provider did not get exactly once, for the right person."""
    expected = {
        f"send {key}": {
            "times": 1,
            "recipient": provider.recipient(part.conversation.customer),
        }
        for key, part in answers.items()
    }
    found = {
        f"send {key}": {"times": stand_in.counts[key], "recipient": send.recipient}
        for key, send in stand_in.sends.items()
    }
    unplanned = [
        Difference("a send that was not planned", None, each) for each in stand_in.unplanned
    ]
    return [*compare(expected, found), *unplanned]
