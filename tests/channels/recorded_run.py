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

import httpx2
from msgspec import structs

from convolake.recorded_calls import RecordedCall, read_calls
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.channels.registry import ADAPTERS
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import run_server
from tests.channels.accounts import make_account
from tests.channels.recorded_readings import READERS, Said, read_content
from tests.factories import create_store

FOLDER = Path(__file__).parents[3] / "shared/data/C_webhooks"
FOLDERS = {"line": "other"}
"""Folders by provider, where the name differs."""

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
            return f"rejected: {reasons[0]}"
        stored = self.messages()
        for each in said:
            if found := self.difference(each, stored.get(each.provider_id, [])):
                return f"wrong: {found}"
        return "wrong: " + reasons[0] if reasons else "right"

    def send(self, recorded: RecordedCall) -> int:
        call = self.adapter.sign(recorded.body, recorded.content_type, self.account, wall_clock())
        query = "&".join(filter(None, (call.url.partition("?")[2], recorded.query)))
        return self.http.request(
            recorded.method,
            self.url + (f"?{query}" if query else ""),
            content=None if recorded.method == "GET" else call.body,
            headers=dict(call.headers),
            timeout=60,
        ).status_code

    def said(self, recorded: RecordedCall) -> list[Said]:
        """Return the messages that the body has; none if it is no call of the provider."""
        try:
            content = read_content(recorded.query.encode() or recorded.body)
            return list(READERS[self.provider](content))
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
        if (event.get("text") or None) != (said.text or None):
            return "another text"
        at = datetime.fromisoformat(event["happened_at"]).timestamp()
        if said.at is not None and abs(at - said.at) > 0.001:
            return "another time"
        return None


def main() -> int:
    """Print a line for each provider and a total; 1 if a call is neither right nor rejected."""
    total: Counter[str] = Counter()
    failures: list[str] = []
    print("| provider | bodies | right | rejected | wrong |\n|---|--:|--:|--:|--:|")
    for provider in READERS:
        with running_api() as http:
            run = Run(http, provider)
            run.play(FOLDER / FOLDERS.get(provider, provider))
        print(row(provider, run.outcomes))
        total += run.outcomes
        failures += run.failures
    print(row("total", total))
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


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


def row(name: str, counts: Counter[str]) -> str:
    numbers = (counts.total(), counts["right"], counts["rejected"], counts["wrong"])
    return f"| {name} | {' | '.join(map(str, numbers))} |"


if __name__ == "__main__":
    sys.exit(main())
