"""The blocking client: a call returns when the API has answered, or raises after its retries."""

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Self, TypeVar

import httpx2
from websockets.sync.client import connect

from ingest.client.answers import Page
from ingest.client.call import Call, next_page
from ingest.client.calls import READY, Calls
from ingest.client.listening import ListenerPosition
from ingest.client.methods import Caller, method_of
from ingest.client.outcomes import ClientError, read_answer, request_failures, socket_failures
from ingest.client.retries import JITTER, Policy, RetryPolicy
from ingest.client.review_answers import Claim, ClaimResult
from ingest.clock import new_uuid7

T = TypeVar("T")


class Client(Caller):
    """A client of one conversation API with one key; every method may raise a ClientError.

    Close the client, or use it as a context manager.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        timeout: float = 30.0,
        retries: int = 6,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = JITTER,
        new_id: Callable[[], str] = new_uuid7,
    ) -> None:
        """`timeout` is in seconds and for one attempt; after `retries` more the failure is raised."""
        super().__init__(url, key, RetryPolicy(retries, clock, jitter), new_id)
        self._wait = wait
        self._timeout = timeout
        self._http = httpx2.Client(headers=self.headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Safe to repeat."""
        self._http.close()

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until the API accepts events.

        Raises the last ClientError after `timeout` seconds, or at once if waiting cannot help.
        """
        self._attempt(READY, self._retry_policy.until_ready(timeout))

    def listen(
        self, conversation_id: str | None = None, after: int | str | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Yield every event of a conversation after a sequence, as it is committed, without end.

        Without a conversation: of all, after a cursor. `after=None` starts with the next event. A lost
        connection is opened again where it broke: no event is missed, none arrives twice. Raises
        ProblemError if the key may not listen.
        """
        if after is None:
            after = self._newest(conversation_id)
        listening = ListenerPosition(conversation_id, after, self._retry_policy.for_listeners())
        while True:
            address = listening.url(self.url)
            try:
                with (
                    socket_failures(self.url),
                    connect(
                        address,
                        additional_headers=self.headers,
                        compression=None,
                        # After an outage all clients reconnect at once; a long time-out costs the server less than retries.
                        open_timeout=self._timeout,
                    ) as socket,
                ):
                    for frame in socket:
                        if (event := listening.receive(frame)) is not None:
                            yield event
            except ClientError as failure:
                self._wait(listening.pause_after(failure))

    def _newest(self, conversation_id: str | None) -> int | str:
        if conversation_id is None:
            return self.ingest_stats().head
        return self.conversation(conversation_id).last_sequence

    def _items(self, call: Call[Page[T]]) -> Iterator[T]:
        following: Call[Page[T]] | None = call
        while following is not None:
            page = self._send(following)
            yield from page.items
            following = next_page(following, page)

    def _list(self, call: Call[Page[T]]) -> list[T]:
        return list(self._items(call))

    def _claim(self, call: Call[ClaimResult]) -> Claim | None:
        return self._send(call).claim

    def _each(self, calls: Iterator[Call[T]]) -> Iterator[T]:
        for call in calls:
            yield self._send(call)

    def _send(self, call: Call[T]) -> T:
        return self._attempt(call, self._retry_policy.for_calls())

    def _attempt(self, call: Call[T], policy: Policy) -> T:
        while True:
            try:
                with request_failures(self.url):
                    response = self._http.send(call.request(self._http, self.url))
                return read_answer(call, response)
            except ClientError as failure:
                pause = policy.pause_after(failure)
            self._wait(pause)

    create_conversation = method_of(Calls.create_conversation, _send)
    post_message = method_of(Calls.post_message, _send)
    record = method_of(Calls.record, _each)
    record_logs = method_of(Calls.record_logs, _send)
    conversations = method_of(Calls.conversations, _items)
    conversation = method_of(Calls.conversation, _send)
    messages = method_of(Calls.messages, _items)
    handoffs = method_of(Calls.handoffs, _items)
    accept_handoff = method_of(Calls.accept_handoff, _send)
    return_handoff = method_of(Calls.return_handoff, _send)
    close_handoff = method_of(Calls.close_handoff, _send)
    resolve = method_of(Calls.resolve, _send)
    typing = method_of(Calls.typing, _send)
    start_typing = method_of(Calls.start_typing, _send)
    ingest_stats = method_of(Calls.ingest_stats, _send)
    readiness = method_of(Calls.readiness, _send)
    rejected = method_of(Calls.rejected, _items)
    replay = method_of(Calls.replay, _send)
    record_view = method_of(Calls.record_view, _send)
    record_search = method_of(Calls.record_search, _send)
    record_export = method_of(Calls.record_export, _send)
    record_query = method_of(Calls.record_query, _send)
    record_rejected_view = method_of(Calls.record_rejected_view, _send)
    publish_scorecard = method_of(Calls.publish_scorecard, _send)
    scorecards = method_of(Calls.scorecards, _list)
    draw_sample = method_of(Calls.draw_sample, _send)
    replace_item = method_of(Calls.replace_item, _send)
    samples = method_of(Calls.samples, _list)
    sample_items = method_of(Calls.sample_items, _list)
    claim_item = method_of(Calls.claim_item, _claim)
    release_item = method_of(Calls.release_item, _claim)
    submit_review = method_of(Calls.submit_review, _send)
    dispute_review = method_of(Calls.dispute_review, _send)
    resolve_dispute = method_of(Calls.resolve_dispute, _send)
    acknowledge_review = method_of(Calls.acknowledge_review, _send)
    reviews = method_of(Calls.reviews, _list)
    contact = method_of(Calls.contact, _send)
    merge_proposals = method_of(Calls.merge_proposals, _items)
    merge_contact = method_of(Calls.merge_contact, _send)
    decline_merge = method_of(Calls.decline_merge, _send)
    unmerge_contact = method_of(Calls.unmerge_contact, _send)
    create_channel_account = method_of(Calls.create_channel_account, _send)
    channel_accounts = method_of(Calls.channel_accounts, _list)
    channel_account = method_of(Calls.channel_account, _send)
    set_channel_secret = method_of(Calls.set_channel_secret, _send)
    enable_channel_account = method_of(Calls.enable_channel_account, _send)
    disable_channel_account = method_of(Calls.disable_channel_account, _send)
    remove_channel_account = method_of(Calls.remove_channel_account, _send)
    channel_calls = method_of(Calls.channel_calls, _send)
    channel_sends = method_of(Calls.channel_sends, _send)
    decide_channel_send = method_of(Calls.decide_channel_send, _send)
