"""Sends every recorded call of a folder to a real API, and holds what it stored against another reading."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from msgspec import structs

from convolake.call_sender import post_call, signed_call
from convolake.recorded_calls import RecordedCall, read_calls
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.channels.base import (
    Account,
    Address,
    ChannelAdapter,
    MailRequest,
    OutboundMessage,
    Person,
    Unsendable,
)
from ingest.channels.registry import ADAPTERS
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import run_server
from tests.channels.accounts import make_account
from tests.channels.recorded import FOLDER
from tests.channels.recorded_readings import READERS, Said, read_content, read_mail
from tests.factories import create_store

FOLDERS = {"line": "other"}
"""Folders by provider, where the name differs."""

MAIL_FOLDERS = ("eml_chatwoot", "eml_mikel_mail", "reply_talon", "reply_text_github")
"""Folders of mails; posts of mail providers are in the folder `inbound_parse`, and are tried in their tests."""

EXPECTED = (
    "not JSON", "`object` and `entry` are missing", "no update_id", "has no message_uuid",
    "neither a message nor a status", "without its channel or timestamp", "none of the headers of a mail",
)  # fmt: skip
"""Words of the reasons for which a recorded file is rejected: it is broken, or no webhook."""

JUDGES = {
    "whatsapp_cloud": "pywa, 1,000 bodies", "messenger": "pywa, 1,000 bodies", "instagram": "pywa, 1,000 bodies",
    "twilio": "twilio, 1,000 bodies", "vonage": "vonage-jwt and vonage-http-client, 1,000 bodies",
    "slack": "slack-sdk, 1,000 bodies", "line": "line-bot-sdk, 1,000 bodies",
    "sendgrid": "sendgrid, 1,000 bodies", "mailgun": "an independent HMAC, 1,000 bodies",
    "postmark": "the password, 1,000 bodies", "webhook": "standardwebhooks",
}  # fmt: skip
"""Whose verdict ours is held against in `tests/channels`."""

RECEIPTS = {"status", "statuses", "receipt", "delivery", "read", "bounce", "event", "events"}

PHONE = Person(addresses=(Address("phone", "+4915112345678"),))
PEOPLE = {
    "messenger": Person(addresses=(Address("page_scoped_id", "91", "77"),)),
    "instagram": Person(addresses=(Address("instagram_id", "91", "77"),)),
    "slack": Person(addresses=(Address("slack_user", "U1", "T1"),)),
    "telegram": Person(addresses=(Address("telegram_user", "23"),)),
    "line": Person(addresses=(Address("line_user", "U1"),)),
    "email": Person(addresses=(Address("email", "ada@example.org"),)),
    "api": Person(addresses=(Address("external_id", "ada"),)),
}

SENDS = 3
"""How often each call is sent, at once."""


def is_body(recorded: RecordedCall) -> bool:
    """Return whether a file is one call, and not several by name."""
    try:
        content = read_content(recorded.body)
    except ValueError:
        return True
    return not (
        isinstance(content, dict)
        and content
        and all(isinstance(each, dict) and "entry" in each for each in content.values())
    )


def is_expected(reasons: list[str]) -> bool:
    return all(any(words in each for words in EXPECTED) for each in reasons)


class Run:
    """One provider's account on a running API."""

    def __init__(self, http: httpx2.Client, provider: str) -> None:
        self.http, self.provider = http, provider
        self.adapter = ADAPTERS[provider]
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []

    def open_account(self) -> None:
        """Create an account: files share placeholder ids, which are unique in an account only."""
        provider, account = self.provider, make_account(self.provider)
        self.account_id = f"{provider}-{self.outcomes.total()}"
        body = {
            "provider": provider, "account_id": self.account_id, "address": account.address,
            "options": dict(account.options),
            "secrets": {name: values[0] for name, values in account.secrets.items()},
        }  # fmt: skip
        made = self.http.post("/v1/channels", json=body)
        assert made.status_code == 201, made.text
        self.url = f"/channels/{self.account_id}"
        public = str(self.http.base_url).rstrip("/") + self.url
        options = {**account.options, "webhook_url": public}
        self.account = structs.replace(account, account_id=self.account_id, options=options)

    def play(self, folder: Path) -> None:
        for recorded in read_calls(folder, is_body):
            outcome = self.outcome(recorded)
            self.outcomes[outcome.partition(":")[0]] += 1
            if outcome.startswith("wrong"):
                self.failures.append(f"{self.provider} {recorded.name}: {outcome}")

    def outcome(self, recorded: RecordedCall) -> str:
        """Return `right`, `rejected: …` or `wrong: …`."""
        self.open_account()
        with ThreadPoolExecutor(SENDS) as pool:
            statuses = set(pool.map(lambda _: self.send(recorded), range(SENDS)))
        if statuses != {200}:
            return f"wrong: statuses {statuses}"
        reasons = sorted({reason for each in self.calls() for reason in each["reasons"]})
        said = self.said(recorded)
        if reasons and not said:
            return ("rejected: " if is_expected(reasons) else "wrong: ") + str(reasons[0])
        stored = self.messages()
        for each in said:
            if found := self.difference(each, stored.get(each.provider_id, [])):
                return f"wrong: {found}"
        return "wrong: " + reasons[0] if reasons else "right"

    def send(self, recorded: RecordedCall) -> int:
        call = signed_call(self.adapter, recorded, self.account, wall_clock())
        return post_call(str(self.http.base_url).rstrip("/") + self.url, recorded, call)

    def said(self, recorded: RecordedCall) -> list[Said]:
        """Return the messages that the body has; none if it is no call of the provider."""
        try:
            if self.provider == "email":
                return list(read_mail(recorded.body))
            return list(
                READERS[self.provider](read_content(recorded.query.encode() or recorded.body))
            )
        except (ValueError, KeyError, TypeError):
            return []

    def calls(self) -> list[dict[str, Any]]:
        found = self.http.get(f"/v1/channels/{self.account_id}/calls").json()
        items: list[dict[str, Any]] = found["items"]
        return items

    def messages(self) -> dict[str, list[dict[str, Any]]]:
        """Return the account's messages by the provider's id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for each in self.http.get("/v1/conversations", params={"limit": 100}).json()["items"]:
            path = f"/v1/conversations/{each['conversation_id']}/events"
            for event in self.http.get(path).json()["items"]:
                is_message = event["event_type"] == "message.created"
                if is_message and event["channel_account"] == self.account_id:
                    found.setdefault(event["payload"]["provider_id"], []).append(event)
        return found

    def difference(self, said: Said, stored: list[dict[str, Any]]) -> str | None:
        """Return how the one stored message differs from what was said, or None."""
        if len(stored) != 1:
            return f"{len(stored)} messages for one id"
        (event,) = stored
        if said.has_text and (event.get("text") or None) != (said.text or None):
            return "another text"
        at = datetime.fromisoformat(event["happened_at"]).timestamp()
        if said.at is not None and abs(at - said.at) > 0.001:
            return "another time"
        is_customer = event.get("participant_role") == "customer"
        if said.sender is not None and is_customer and not self.is_from(event, said.sender):
            return "another sender"
        return None

    def is_from(self, event: dict[str, Any], sender: str) -> bool:
        """Return whether an address of the event's contact is the sender's."""
        found = self.http.get(f"/v1/contacts/{quote(event.get('contact_id', '-'), safe='')}").json()
        addresses = {each["address"].lower().lstrip("+") for each in found.get("addresses", [])}
        return sender.lower().lstrip("+") in addresses


def main() -> int:
    """Print the table; return 1 if a call is neither right nor rejected for an expected reason."""
    say = sys.stdout.write
    say(
        f"Each recorded call goes to an account of its own over HTTP, signed, {SENDS} times at once.\n"
    )
    say(
        "Right: each message that another reading finds is stored once, with its text, time and sender;\n"
    )
    say(
        "a call without a message is only taken without a rejected event: what it stored is not compared here. Rejected: broken, or no webhook.\n\n"
    )
    say(
        "| provider | verify | inbound kinds | receipts | outbound | redelivery | tried | right | rejected | wrong |\n"
    )
    say("|---|---|---|---|---|---|--:|--:|--:|--:|\n")
    total: Counter[str] = Counter()
    failures: list[str] = []
    for provider in ADAPTERS:
        counts, failed = run_provider(provider)
        say(row(provider, counts))
        total += counts
        failures += failed
    numbers = (total.total(), total["right"], total["rejected"], total["wrong"])
    say(f"| total | | | | | | {' | '.join(map(str, numbers))} |\n")
    sys.stderr.write("".join(f"{each}\n" for each in failures))
    return 1 if failures else 0


def run_provider(provider: str) -> tuple[Counter[str], list[str]]:
    """Return the outcomes of a provider's recorded calls, and what is wrong."""
    folders = [FOLDER / FOLDERS.get(provider, provider)]
    if provider == "email":
        folders = [FOLDER / "email" / name for name in MAIL_FOLDERS]
    with running_api() as http:
        run = Run(http, provider)
        for folder in folders:
            if folder.is_dir():
                run.play(folder)
    return run.outcomes, run.failures


@contextmanager
def running_api() -> Iterator[httpx2.Client]:
    """A client of an API over a new data folder."""
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data=Path(data))
        create_store(settings)
        key = get_or_create_local_key(settings, wall_clock())
        app = FastPathMiddleware(create_app(settings, wall_clock))
        headers = {"authorization": f"Bearer {key}"}
        with run_server(app) as url, httpx2.Client(base_url=url, headers=headers) as http:
            yield http


def row(provider: str, counts: Counter[str]) -> str:
    adapter = ADAPTERS[provider]
    account = make_account(provider)
    receipts = [each for each in adapter.inbound_kinds if each in RECEIPTS]
    cells = (
        adapter.title,
        JUDGES.get(provider, "own vectors"),
        ", ".join(adapter.inbound_kinds),
        ", ".join(receipts) or "none",
        outbound(adapter, account),
        adapter.redelivery,
        *(
            str(number)
            for number in (counts.total(), counts["right"], counts["rejected"], counts["wrong"])
        ),
    )
    return f"| {' | '.join(cells)} |\n"


def outbound(adapter: ChannelAdapter, account: Account) -> str:
    """Return how a text goes out."""
    message = OutboundMessage(
        reference="r", now=wall_clock(), text="Hello", last_inbound_at=wall_clock()
    )
    found = adapter.render(message, PEOPLE.get(account.channel, PHONE), account)
    if isinstance(found, Unsendable):
        return f"not without more options: {found.reason}"
    return "SMTP" if isinstance(found[0], MailRequest) else "HTTP"


if __name__ == "__main__":
    sys.exit(main())
