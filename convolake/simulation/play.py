"""Plays a schedule against an API, and says what differs before anything is read."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2
from msgspec import Struct

from convolake.simulation.bot import Bot
from convolake.simulation.clocks import SECOND, SimulationClock
from convolake.simulation.comparison import Difference, compare
from convolake.simulation.conversations import AccountConversations
from convolake.simulation.parts import Part, index_of
from convolake.simulation.plan import Answer, Plan
from convolake.simulation.player import Player
from convolake.simulation.provider_calls import ProviderCalls
from convolake.simulation.providers.base import Provider
from convolake.simulation.schedule import Schedule
from convolake.simulation.settling import Settling
from convolake.simulation.stand_in import StandIn, listen
from ingest.channels.base import Account
from ingest.client import Client, ProblemError
from ingest.egress.client import FORBIDDEN


class Scene(Struct, frozen=True):
    """A plan on a channel account of a provider."""

    provider: Provider
    plan: Plan
    account_id: str

    @property
    def parts(self) -> Mapping[str, Part]:
        """Every message and answer by its key."""
        return index_of(self.plan, self.provider)


class Played(Struct, frozen=True):
    """What differs already, and when the calls of each second were answered."""

    differences: tuple[Difference, ...]
    done: Mapping[int, float]


class SimulationError(Exception):
    """The simulation cannot be played; the message says what to do."""


class SameSecondError(SimulationError):
    """Another simulation has the same people."""

    def __init__(self) -> None:
        super().__init__("another simulation started in the same second; start this one again")


class LoopbackForbiddenError(SimulationError):
    """The API may not send to the stand-in."""

    def __init__(self) -> None:
        super().__init__(
            "the API may not send to the stand-in of the provider, which listens on this machine: "
            "start it with CONVOLAKE_WEBHOOK_NETWORKS=127.0.0.0/8"
        )


class Stage:
    """An API with a channel account for one scene, which sends to the stand-in of the provider."""

    def __init__(
        self, scene: Scene, client: Client, http: httpx2.Client, clock: SimulationClock
    ) -> None:
        """`http` has the API's address and key."""
        self._scene = scene
        self._client = client
        self._http = http
        self._clock = clock
        self._started = datetime.fromtimestamp(clock() / SECOND, UTC)
        provider, self._parts = scene.provider, scene.parts
        self.conversations = AccountConversations(client, provider.channel, scene.account_id)
        self._answers = {
            k: part for k, part in self._parts.items() if isinstance(part.said, Answer)
        }
        self._stand_in = StandIn(
            provider,
            {part.said.text: key for key, part in self._answers.items()},
            {key: part.provider_id for key, part in self._answers.items()},
            clock,
        )

    def play(self, schedule: Schedule, on_progress: Callable[[int], object]) -> Played:
        """Play a schedule. Raises ClientError, SimulationError."""
        with listen(self._stand_in) as provider_url, self._open_account(provider_url) as calls:
            bot = Bot(self._client, self._http, self.conversations)
            settling = Settling(bot, self._http, self._check_sends)
            player = Player(self._parts, calls, bot, settling, self._clock)
            player.play(schedule, self._stand_in, on_progress)
            problems = [Difference(each, "done", "not done") for each in player.problems]
            rejected = [Difference("rejected event", None, each) for each in self._rejected()]
        return Played((*problems, *rejected, *self._compare_sends()), player.done)

    @contextmanager
    def _open_account(self, provider_url: str) -> Iterator[ProviderCalls]:
        """Create the channel account, and remove it at the end; yield the provider's calls to it."""
        provider, account_id = self._scene.provider, self._scene.account_id
        url = f"{self._client.url}/channels/{account_id}"
        options = provider.options(provider_url, url)
        account = Account(
            account_id=account_id,
            provider=provider.adapter,
            channel=provider.channel,
            address=provider.address,
            options=options,
            secrets={name: [value] for name, value in provider.secrets.items()},
        )
        self._create(options)
        try:
            yield ProviderCalls(provider, account, self._stand_in, self._http, url, self._clock)
        finally:
            self._client.remove_channel_account(account_id)

    def _create(self, options: Mapping[str, str]) -> None:
        provider, account_id = self._scene.provider, self._scene.account_id
        given = provider.adapter, provider.address, provider.secrets
        try:
            self._client.create_channel_account(*given, account_id=account_id, options=options)
        except ProblemError as error:
            if error.code == "account_exists":
                raise SameSecondError from error
            raise

    def _check_sends(self) -> None:
        """Raise LoopbackForbiddenError if the API may not send to the stand-in."""
        waiting = self._client.channel_sends(self._scene.account_id, "waiting").items
        if any(each.reason is not None and each.reason.startswith(FORBIDDEN) for each in waiting):
            raise LoopbackForbiddenError

    def _rejected(self) -> Iterator[str]:
        """Yield why the API rejected an event of this account or of its conversations."""
        own = {self._scene.account_id, *(each.conversation_id for each in self.conversations)}
        for each in self._client.rejected():
            if each.received_at < self._started:
                return
            if not own.isdisjoint(re.split("[/?]", each.path)):
                yield each.detail

    def _compare_sends(self) -> Iterator[Difference]:
        """Yield the answers that the provider did not get exactly once, for the right person."""
        stand_in = self._stand_in
        expected = {
            f"send {key}": {
                "times": 1,
                "recipient": self._scene.provider.recipient(part.conversation.customer),
            }
            for key, part in self._answers.items()
        }
        found = {
            f"send {key}": {"times": stand_in.counts[key], "recipient": send.recipient}
            for key, send in stand_in.sends.items()
        }
        yield from compare(expected, found)
        for each in stand_in.unplanned:
            yield Difference("a send that was not planned", None, each)
