"""Sends every recorded call of a folder to a real API, holds what it stored against another reading, prints a table."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
from sqlalchemy import Engine

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
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import run_server
from tests.channels.accounts import make_account
from tests.channels.conftest import message
from tests.channels.recorded import FOLDER
from tests.channels.recorded_account import SENDS, RecordedAccount, as_call
from tests.channels.recorded_judges import JUDGES
from tests.channels.recorded_readings import read_content
from tests.factories import create_store

FOLDERS = {"line": "other"}
"""Folders by provider, where the name differs."""

MAIL_FOLDERS = ("eml_chatwoot", "eml_mikel_mail", "reply_talon", "reply_text_github")
"""Folders of mails; posts of mail providers are in the folder `inbound_parse`."""

RECEIPTS = {"status", "statuses", "receipt", "delivery", "read", "seen", "bounce"}

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

_FROM, _AT = {"id": "ada", "name": "Ada"}, "2026-01-01T09:59:00Z"
OWN_CALLS = {
    "webhook": [
        {"items": [message(1, at=_AT), message(2, at=_AT, text="\u200fשלום 👩‍🚀")]},
        {"items": [message(1, at=_AT), {"type": "edit", "id": "e", "from": _FROM, "at": _AT, "message": "m1", "text": "new"}]},
        {"items": [{"type": "deletion", "id": "d", "from": _FROM, "at": _AT, "message": "p1"}]},
        {"items": [{"type": "reaction", "id": "r", "from": _FROM, "at": _AT, "message": "p1", "reaction": "👍"}]},
        {"items": [{"type": "receipt", "id": each, "at": _AT, "message": "p1", "status": each} for each in ("submitted", "delivered", "read")]},
        {"items": [{"type": "typing", "id": "t", "from": _FROM}]},
        {"items": [{"type": "other", "id": "o", "from": _FROM, "at": _AT, "kind": "vote", "data": {"stars": 5}}]},
    ],
}  # fmt: skip
"""Our own calls to providers of which no file is recorded."""


class Result(NamedTuple):
    """The outcomes of a provider's calls."""

    outcomes: Counter[str]
    verdicts: Counter[str]
    reasons: Counter[str]
    failures: list[str]


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


def recorded_calls(provider: str) -> Iterator[RecordedCall]:
    """Yield the recorded calls of a provider; our own where there is none."""
    paths = [FOLDER / FOLDERS.get(provider, provider)]
    if provider == "email":
        paths = [FOLDER / "email" / name for name in MAIL_FOLDERS]
    paths += sorted((FOLDER / "email/inbound_parse").glob(f"{provider}_*"))
    for path in paths:
        if path.exists():
            yield from read_calls(path, is_body)
    for number, body in enumerate(OWN_CALLS.get(provider, [])):
        yield as_call(f"own {number}", body)


def run_provider(provider: str, calls: Iterable[RecordedCall]) -> Result:
    """Return the outcomes of a provider's calls."""
    with running_api() as (http, engine):
        account = RecordedAccount(http, engine, provider)
        account.play(calls)
    return Result(account.outcomes, account.verdicts, account.reasons, account.failures)


@contextmanager
def running_api() -> Iterator[tuple[httpx2.Client, Engine]]:
    """A client of an API over a new data folder, and its database."""
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data=Path(data))
        create_store(settings)
        key = get_or_create_local_key(settings, wall_clock())
        app = FastPathMiddleware(create_app(settings, wall_clock))
        headers = {"authorization": f"Bearer {key}"}
        engine = open_engine(settings.database_url)
        with run_server(app) as url, httpx2.Client(base_url=url, headers=headers) as http:
            yield http, engine
        engine.dispose()


HEAD = f"""\
Each recorded call goes to an account of its own over HTTP, signed, {SENDS} times at once.
Right: the account stored each event that another reading finds, once, and no other: with its type, text, time,
author, sender, channel and payload. Rejected: with the reason that belongs to its damage, and nothing stored.
Verify: calls that we and the judge accept, and copies with one changed bit, sent before it, that got 401
(403 where the call checks the URL).

| provider | verify | inbound kinds | receipts | outbound | redelivery | tried | right | rejected | wrong |
|---|---|---|---|---|---|--:|--:|--:|--:|
"""


def main() -> int:
    """Print the table, of the named providers or of all; return 1 if a call is neither right nor rejected for the expected reason."""
    sys.stdout.write(HEAD)
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    for provider in sys.argv[1:] or ADAPTERS:
        result = run_provider(provider, recorded_calls(provider))
        sys.stdout.write(row(provider, result))
        total += result.outcomes
        reasons += result.reasons
        failures += result.failures
    numbers = (total.total(), total["right"], total["rejected"], total["wrong"])
    sys.stdout.write(f"| total | | | | | | {' | '.join(map(str, numbers))} |\n\n")
    sys.stdout.write("Own calls where none is recorded: " + ", ".join(OWN_CALLS) + ".\n\n")
    sys.stdout.write("| rejected because | calls |\n|---|--:|\n")
    sys.stdout.writelines(f"| {reason} | {count} |\n" for reason, count in reasons.most_common())
    sys.stderr.writelines(f"{each}\n" for each in failures)
    return 1 if failures else 0


def row(provider: str, result: Result) -> str:
    adapter = ADAPTERS[provider]
    receipts = [each for each in adapter.inbound_kinds if each in RECEIPTS]
    counts = result.outcomes
    cells = (
        adapter.title,
        verified(provider, result.verdicts),
        ", ".join(adapter.inbound_kinds),
        ", ".join(receipts) or "none",
        outbound(adapter, make_account(provider)),
        adapter.redelivery,
        str(counts.total()),
        *(str(counts[each]) for each in ("right", "rejected", "wrong")),
    )
    return f"| {' | '.join(cells)} |\n"


def verified(provider: str, verdicts: Counter[str]) -> str:
    name = JUDGES[provider].name
    return f"{name}: {verdicts['accepted']} accepted, {verdicts['forged']} changed copies not taken"


def outbound(adapter: ChannelAdapter, account: Account) -> str:
    """Return how a text goes out."""
    sent = OutboundMessage(
        reference="r", now=wall_clock(), text="Hello", last_inbound_at=wall_clock()
    )
    found = adapter.render(sent, PEOPLE.get(account.channel, PHONE), account)
    if isinstance(found, Unsendable):
        return f"not without more options: {found.reason}"
    return "SMTP" if isinstance(found[0], MailRequest) else "HTTP"


if __name__ == "__main__":
    sys.exit(main())
