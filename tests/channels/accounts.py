"""An account and a body or two of each provider, for the contract. A new provider adds a line to both."""

import msgspec

from ingest.channels.base import Account
from ingest.channels.registry import ADAPTERS
from tests.channels.conftest import SECRET, message

SECRETS: dict[str, dict[str, str]] = {"webhook": {"signing_secret": SECRET}}
"""Valid secrets by provider; others get a word."""

OPTIONS: dict[str, dict[str, str]] = {}

BODIES: dict[str, list[tuple[str, bytes]]] = {
    "webhook": [
        (
            "application/json",
            msgspec.json.encode(
                {
                    "items": [
                        message(),
                        {"type": "receipt", "id": "s", "message": "m", "status": "read"},
                    ]
                }
            ),
        )
    ]
}
"""Media types and bodies by provider."""


def make_account(provider: str) -> Account:
    """Return an account with every secret that the provider declares."""
    adapter = ADAPTERS[provider]
    given = SECRETS.get(provider, {})
    return Account(
        account_id="a1",
        provider=provider,
        channel=adapter.channels[0],
        address="+15550001111",
        options=OPTIONS.get(provider, {}),
        secrets={
            each.name: [given.get(each.name, "secret-word-of-the-test")] for each in adapter.secrets
        },
    )
