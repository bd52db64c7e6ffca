"""One conversation across channels, people and a bot, played through the HTTP API alone.

A customer writes on WhatsApp. The bot, called by webhook, answers and hands off. An agent accepts and answers in
the same conversation. A late answer of the bot is rejected. Days later the customer writes an email, and the
bot has control again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx2
import msgspec

from convolake.loopback_server import Reply, Request, serve

BOT, AGENT, CUSTOMER = "helper", "mira", "ada"
HTTP_UNPROCESSABLE = 422
SECONDS = 30.0
"""Maximum time that the story waits for the bot."""


class StoryError(RuntimeError):
    """A step had another result than the story expects; the message has the API's answer."""


class Story:
    """The story on one API. `play` it once; a second `play` is a second conversation."""

    def __init__(
        self,
        http: httpx2.Client,
        name: str,
        days_pass: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`http` has the API's address and a key; `name` becomes the conversation key."""
        self._http = http
        self._name = name
        self._days_pass = days_pass
        self._say = say
        self.conversation_id = ""
        self._path = ""

    def play(self) -> str:
        """Play it, and return the id of the conversation. Raises StoryError."""
        self._open()
        with self._bot():
            self._ask("whatsapp", "Where is my order 4711?", answers=1)
            self._say("the bot has answered on WhatsApp")
            epoch = self._control()["epoch"]
            self._hand_off()
            self._say("a person has taken over, and has read everything")
            self._check_late_answer(epoch)
            self._say("a late answer of the bot was rejected: 409 stale_epoch")
            self._solve()
            self._days_pass()
            self._ask("email", "It has come, but it is broken. Photo attached.", answers=2)
            self._say("days later an email went into the same conversation; the bot answered")
        return self.conversation_id

    def _open(self) -> None:
        people = [
            {"participant_id": CUSTOMER, "participant_role": "customer", "contact_id": f"{self._name}-ada"},
            {"participant_id": BOT, "participant_role": "bot"},
        ]  # fmt: skip
        opened = self._call("POST", "/v1/conversations", {
            "channel": "whatsapp", "channel_account": "whatsapp:+4930123456", "conversation_key": self._name,
            "contact_id": f"{self._name}-ada", "participants": people})  # fmt: skip
        self.conversation_id = opened["conversation_id"]
        self._path = f"/v1/conversations/{self.conversation_id}"

    @contextmanager
    def _bot(self) -> Iterator[None]:
        """Yield the bot: a web server that receives messages by webhook, and answers through the API."""
        with _listening(self._answer) as url:
            hook = self._http.post("/v1/webhooks", json={
                "url": url, "event_types": ["message.created"], "bot_id": BOT})  # fmt: skip
            if hook.status_code == HTTP_UNPROCESSABLE:
                self._say("this API sends no webhooks to this machine; the bot polls instead")
                with self._polling():
                    yield
                return
            if not hook.is_success:
                raise StoryError(f"POST /v1/webhooks: {hook.status_code} {hook.text}")
            try:
                yield
            finally:
                self._http.delete(f"/v1/webhooks/{hook.json()['webhook_id']}")

    @contextmanager
    def _polling(self) -> Iterator[None]:
        """Answer the events of the conversation, read by long polls, until the block ends."""
        stop = threading.Event()

        def poll() -> None:
            seen = 0
            while not stop.is_set():
                page = self._call("GET", f"{self._path}/events?wait=1&after_sequence={seen}")
                for event in page["items"]:
                    seen = event["sequence"]
                    if event["event_type"] == "message.created":
                        self._answer(event)

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _answer(self, event: dict[str, Any]) -> None:
        is_theirs = event.get("participant_role") == "customer"
        if event["conversation_id"] != self.conversation_id or not is_theirs:
            return
        self._call("POST", f"{self._path}/messages", {
            "participant_id": BOT, "text": "I am looking into it.", "in_reply_to": event["message_id"],
            "event_id": f"to-{event['message_id']}", "bot_version": "story-1",
            "control_epoch": self._control()["epoch"]})  # fmt: skip

    def _ask(self, channel: str, text: str, *, answers: int) -> None:
        """Record a customer's message of a channel, and the bot's answer."""
        self._call("POST", "/v1/events", {
            "event_type": "message.created", "conversation_id": self.conversation_id, "channel": channel,
            "participant_id": CUSTOMER, "participant_role": "customer", "text": text})  # fmt: skip
        deadline = time.monotonic() + SECONDS
        while sum(each["participant_id"] == BOT for each in self._messages()) < answers:
            if time.monotonic() > deadline:
                raise StoryError("the bot did not answer; does the API reach its webhook?")
            time.sleep(0.05)

    def _hand_off(self) -> None:
        asked = self._call("POST", f"{self._path}/handoffs", {
            "participant_id": BOT, "reason": "customer_request", "queue": "orders"})  # fmt: skip
        handoff = f"{self._path}/handoffs/{asked['event_id']}"
        self._call("POST", f"{handoff}/accept", {"participant_id": AGENT})
        if len(self._messages()) != 2:
            raise StoryError("the agent does not see the whole history")
        said = self._call("POST", f"{self._path}/messages", {
            "participant_id": AGENT, "text": "Hello, this is Mira. It left our house this morning."})  # fmt: skip
        for status in ("submitted", "delivered", "read"):
            self._call("POST", f"{self._path}/messages/{said['message_id']}/receipts", {
                "participant_id": CUSTOMER, "status": status})  # fmt: skip

    def _check_late_answer(self, epoch: int) -> None:
        late = {"participant_id": BOT, "text": "It is still in our house.", "control_epoch": epoch}
        answer = self._http.post(f"{self._path}/messages", json=late)
        if (answer.status_code, answer.json().get("code")) != (409, "stale_epoch"):
            raise StoryError(f"the late bot was not rejected: {answer.status_code} {answer.text}")

    def _solve(self) -> None:
        handoff = self._call("GET", self._path)["handoff"]["handoff_id"]
        self._call("POST", f"{self._path}/handoffs/{handoff}/close", {"participant_id": AGENT})
        self._call("POST", f"{self._path}/resolve", {
            "participant_id": AGENT, "resolved_by": "agent", "is_confirmed": True})  # fmt: skip

    def _messages(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._call("GET", f"{self._path}/messages")["items"]
        return items

    def _control(self) -> dict[str, Any]:
        control: dict[str, Any] = self._call("GET", self._path)["control"]
        return control

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body)
        if not answer.is_success:
            raise StoryError(f"{method} {path}: {answer.status_code} {answer.text}")
        told: dict[str, Any] = answer.json()
        return told


@contextmanager
def _listening(take: Callable[[dict[str, Any]], None]) -> Iterator[str]:
    """Yield the URL of a web server on this machine that receives events until the block ends."""

    def answer(request: Request) -> Reply:
        event = msgspec.json.decode(request.body)["data"]
        return Reply(204, then=partial(take, event))

    with serve(answer) as url:
        yield f"{url}/"
