"""A channel account of the generic webhook, and calls to it."""

from typing import Any

import httpx2
import msgspec
import pytest

from ingest.channels.base import Account
from ingest.channels.standard_webhook.adapter import StandardWebhook
from tests.api_server import Installation

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwC2Fz0k1QJ2s="  # noqa: S105


class Shop:
    """The system that calls the account `shop`."""

    def __init__(self, installation: Installation, account_id: str = "shop") -> None:
        self.installation = installation
        self.account_id = account_id
        self.path = f"/channels/{account_id}"

    def sign(self, body: bytes, secret: str = SECRET) -> dict[str, str]:
        account = Account(
            account_id="shop", provider="webhook", channel="api", address="shop.example",
            secrets={"signing_secret": [secret]},
        )  # fmt: skip
        call = StandardWebhook().sign(body, "application/json", account, self.installation.clock())
        return dict(call.headers)

    def post(self, body: bytes, **headers: str) -> httpx2.Response:
        """Send bytes, signed."""
        signed = self.sign(body) | headers
        return self.installation.http.post(self.path, content=body, headers=signed, timeout=20)

    def send(self, *items: dict[str, Any]) -> None:
        """Send items, which have to be taken."""
        answer = self.post(msgspec.json.encode({"items": items}))
        assert answer.status_code == 200, answer.text

    def events(self) -> list[dict[str, Any]]:
        """Every event of the one conversation."""
        found = self.installation.http.get("/v1/conversations").json()["items"]
        assert len(found) == 1, found
        path = f"/v1/conversations/{found[0]['conversation_id']}/events"
        events: list[dict[str, Any]] = self.installation.http.get(path).json()["items"]
        return events

    def types(self) -> list[str]:
        return [each["event_type"] for each in self.events()]

    def rejected(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.installation.http.get("/v1/rejected").json()["items"]
        return found

    def calls(self) -> dict[str, Any]:
        answer = self.installation.http.get(f"/v1/channels/{self.account_id}/calls")
        found: dict[str, Any] = answer.json()
        return found


def create_account(
    installation: Installation, account_id: str = "shop", **over: Any
) -> httpx2.Response:
    body = {
        "provider": "webhook", "account_id": account_id, "address": "shop.example",
        "secrets": {"signing_secret": SECRET},
    }  # fmt: skip
    return installation.post("/v1/channels", body | over)


def message(number: int = 1, **over: Any) -> dict[str, Any]:
    return {
        "type": "message", "id": f"m{number}", "from": {"id": "ada", "name": "Ada"},
        "text": f"text {number}", "at": "2030-01-01T09:59:00Z",
    } | over  # fmt: skip


@pytest.fixture
def shop(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr("ingest.api.channel_intake.POLL_SECONDS", 0.02)
    answer = create_account(installation)
    assert answer.status_code == 201, answer.text
    return Shop(installation)
