"""The provider's calls to the API: bodies as the provider writes them, signed as it signs them."""

import httpx2
from msgspec.structs import replace

from convolake.simulation.clocks import SECOND
from convolake.simulation.parts import Part
from convolake.simulation.plan import Answer, Message, Receipt, Status
from convolake.simulation.providers.base import WEBHOOK_URL, Body, Provider, Taken
from convolake.simulation.stand_in import StandIn
from ingest.channels.base import Account
from ingest.channels.registry import ADAPTERS
from ingest.clock import Clock


class ProviderCalls:
    """Makes the calls of one provider to one channel account."""

    def __init__(
        self,
        provider: Provider,
        account: Account,
        stand_in: StandIn,
        http: httpx2.Client,
        url: str,
        clock: Clock,
    ) -> None:
        """`url`: the account's webhook."""
        self._provider = provider
        self._account = account
        self._stand_in = stand_in
        self._http = http
        self._url = url
        self._clock = clock
        self._marks: dict[tuple[str, Status], int] = {}

    def send_message(self, part: Part, message: Message) -> None:
        """Deliver a customer's message. Raises HTTPError unless the API takes it."""
        self._send(self._provider.message(part.conversation.customer, message, part.provider_id))

    def send_status(self, part: Part, answer: Answer, status: Status) -> None:
        """Report a status of an answer. Raises HTTPError, and LookupError if the provider has no such message."""
        send = self._stand_in.sends.get(answer.key)
        if send is None:
            raise LookupError("the provider never got this answer")
        if not answer.names_reference:
            send = replace(send, reference="")
        (receipt,) = (each for each in answer.receipts if each.status == status)
        send = replace(send, mark_at=self._mark_at(answer, receipt, send))
        customer = part.conversation.customer
        self._send(self._provider.status(customer, receipt, send, part.provider_id))

    def _mark_at(self, answer: Answer, receipt: Receipt, send: Taken) -> int:
        """Return the time that a mark names: as planned, or now if the answer went out too late for that.

        No provider marks a time before the message that it is about. A repeated call names the same time.
        """
        planned = receipt.at * SECOND
        at = planned if send.at + SECOND <= planned else self._clock()
        return self._marks.setdefault((answer.key, receipt.status), at)

    def _send(self, body: Body) -> None:
        url = body.url or self._url
        options = {**self._account.options, WEBHOOK_URL: url}
        account = replace(self._account, options=options)
        adapter = ADAPTERS[account.provider]
        call = adapter.sign(body.content, body.content_type, account, self._clock())
        headers = dict(call.headers)
        self._http.post(url, content=call.body, headers=headers).raise_for_status()
