"""`channels`: creates, lists, tests, changes and removes channel accounts."""

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.channels.base import ChannelAdapter, Field
    from ingest.client import Client
    from ingest.client.channel_answers import ChannelAccount, ChannelCall, ChannelCallList

POLL_SECONDS = 1.0

app = typer.Typer(
    help="Channel accounts: the numbers, pages and inboxes of the organisation.",
    no_args_is_help=True,
)
Option = Annotated[
    list[str],
    typer.Option("--option", help="An option of the provider, as NAME=VALUE; repeatable."),
]


@app.command()
def add(
    provider: str,
    address: Annotated[
        str, typer.Argument(help="Our own side: a number, a page id, a mail address.")
    ],
    account: Annotated[str | None, typer.Option(help="Id of the account, part of its URL.")] = None,
    channel: Annotated[str | None, typer.Option(help="Another channel than the first.")] = None,
    option: Option = [],  # noqa: B006 - typer reads it
) -> None:
    """Create a channel account. Secrets are asked for, or read from CONVOLAKE_SECRET_NAME, never from arguments."""
    adapter = _adapter(provider)
    options = dict(_split(each) for each in option)
    secrets = {field.name: value for field in adapter.secrets if (value := _ask(field))}
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        made = api.create_channel_account(
            provider, address, secrets, account_id=account, channel=channel, options=options
        )
    typer.echo(made.url)
    print_line(
        f"enter this URL at the provider; `convolake channels test {made.account_id}` follows"
    )


def _adapter(provider: str) -> "ChannelAdapter":
    from ingest.channels.registry import ADAPTERS

    if provider not in ADAPTERS:
        print_line(f"the providers are {', '.join(sorted(ADAPTERS))}", "red")
        raise typer.Exit(2)
    return ADAPTERS[provider]


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        print_line("give an option as NAME=VALUE", "red")
        raise typer.Exit(2)
    return name, value


def _ask(field: "Field") -> str:
    """Return a secret from the environment, a prompt or a line of standard input; "" without an optional one."""
    given = os.environ.get(f"CONVOLAKE_SECRET_{field.name.upper()}")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    return str(
        typer.prompt(
            f"{field.name} ({field.meaning})",
            hide_input=True,
            default=None if field.is_required else "",
            show_default=False,
        )
    )


@app.command("list")
def list_() -> None:
    """List channel accounts: id, provider, channel, address and state."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        for each in api.channel_accounts():
            state = f"disabled: {each.disabled_reason}" if each.disabled_at else "enabled"
            typer.echo(
                f"{each.account_id}  {each.provider}  {each.channel}  {each.address}  {state}"
            )


@app.command()
def show(account: str) -> None:
    """Show a channel account: its URL, options and policy, and how many values each secret has."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        found = api.channel_account(account)
    for name in ("account_id", "provider", "channel", "address", "url", "disabled_reason"):
        typer.echo(f"{name:18}{getattr(found, name) or ''}")
    for name, value in (found.options | found.policy).items():
        typer.echo(f"{name:18}{value if value is not None else ''}")
    if found.secrets is None:
        print_line("no key decrypts its secrets; restore the key, or set them again", "red")
    for name, count in (found.secrets or {}).items():
        typer.echo(f"{name:18}{count} {'value' if count == 1 else 'values'}")


@app.command()
def rotate(
    account: str,
    secret: str,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="The values before it are no longer valid.")
    ] = False,
) -> None:
    """Set a secret of an account; the value before it stays valid. Reads it as `add` does."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        found = api.channel_account(account)
        fields = {field.name: field for field in _adapter(found.provider).secrets}
        if secret not in fields:
            print_line(f"the secrets of {found.provider} are {', '.join(fields)}", "red")
            raise typer.Exit(2)
        api.set_channel_secret(account, secret, _ask(fields[secret]), keeps_old=not drop_old)
    print_line("set")


@app.command()
def disable(account: str) -> None:
    """Disable a channel account: it takes no calls and sends nothing."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        api.disable_channel_account(account)
    print_line("disabled")


@app.command()
def enable(account: str) -> None:
    """Enable a channel account again."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        api.enable_channel_account(account)
    print_line("enabled")


@app.command()
def remove(account: str) -> None:
    """Delete a channel account and its secrets. Its events stay."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        api.remove_channel_account(account)
    print_line("removed")


@app.command()
def sends(
    account: str,
    state: Annotated[
        str, typer.Option(help="sending, waiting, sent, failed or unknown.")
    ] = "unknown",
) -> None:
    """List sends of an account: those whose result is unknown, or in another state."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        cursor = ""
        while (page := api.channel_sends(account, state, cursor)).items:
            for each in page.items:
                why = " ".join(filter(None, (each.code, each.reason)))
                place = f"{each.shard}.{each.position}"
                typer.echo(
                    f"{place}  {each.conversation_id}  {each.message_id}  {each.state}  {why}"
                )
            cursor = page.cursor


@app.command()
def decide(
    account: str,
    send: Annotated[str, typer.Argument(help="As `channels sends` prints it: SHARD.POSITION.")],
    decision: Annotated[str, typer.Argument(help="resend, sent or failed.")],
) -> None:
    """Decide about a send that failed or is unknown: it is sent again, or counts as sent or as failed."""
    from ingest.client import ClientError

    shard, _, position = send.partition(".")
    if not (shard.isdecimal() and position.isdecimal()):
        print_line("give the send as SHARD.POSITION", "red")
        raise typer.Exit(2)
    with report_errors(ClientError), _client() as api:
        found = api.decide_channel_send(account, int(shard), int(position), decision)
    print_line(found.state)


@app.command("test")
def follow(
    account: str,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Time to follow; until Ctrl-C if left out.")
    ] = None,
) -> None:
    """Show the URL for the provider, then each call as it arrives, and why one was not verified."""
    from ingest.client import ClientError

    with report_errors(ClientError), _client() as api:
        found = api.channel_account(account)
        _introduce(found)
        until = None if seconds is None else time.monotonic() + seconds
        seen = _Seen()
        while True:
            for line in seen.news(api.channel_calls(account)):
                typer.echo(line)
            if until is not None and time.monotonic() >= until:
                break
            time.sleep(POLL_SECONDS)


def _introduce(account: "ChannelAccount") -> None:
    typer.echo(account.url)
    print_line("enter this URL at the provider, then send a message to it; Ctrl-C ends this")
    if account.disabled_at is not None:
        print_line(
            f"this account is disabled: `convolake channels enable {account.account_id}`", "red"
        )


class _Seen:
    """What of the calls was shown already."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._refused: dict[str, int] = {}

    def news(self, calls: "ChannelCallList") -> list[str]:
        """Return a line for each new call and each reason with more calls, the oldest first."""
        new = [each for each in reversed(calls.items) if each.call_id not in self._calls]
        self._calls |= {each.call_id for each in new}
        lines = [_describe(each) for each in new]
        for each in calls.unverified:
            before = self._refused.get(each.reason, 0)
            if each.calls > before:
                at = f"{each.last_at:%Y-%m-%d %H:%M:%S}"
                lines.append(f"{at}  {each.calls - before} not verified: {each.reason}")
            self._refused[each.reason] = each.calls
        return lines


def _describe(call: "ChannelCall") -> str:
    counts = [
        f"{getattr(call, name)} {name}"
        for name in ("accepted", "duplicate", "conflict", "rejected", "parked", "waiting")
        if getattr(call, name)
    ]
    reasons = "".join(f"\n    {each}" for each in call.reasons)
    return f"{call.received_at:%Y-%m-%d %H:%M:%S}  {call.size:,} bytes  {', '.join(counts) or 'no event'}{reasons}"


@app.command("rotate-key")
def rotate_key() -> None:
    """Encrypt all secrets with a new key. Old keys stay valid, and a running API reads the new one."""
    from ingest.accounts.stored_secrets import reseal_stored_secrets
    from ingest.auth.secret_keys import add_key, open_secret_box
    from ingest.log.storage.engine import migrate, open_engine

    settings = Settings()
    migrate(settings.database_url)
    box = add_key(settings) if settings.secret_keys is None else open_secret_box(settings)
    done, lost = reseal_stored_secrets(open_engine(settings.database_url), box)
    print_line(f"{done:,} secrets are encrypted with the newest key")
    if lost:
        print_line(f"{lost:,} could not be decrypted: their key is lost", "red")
        raise typer.Exit(1)


@app.command("new-key")
def new_key() -> None:
    """Print a key for CONVOLAKE_SECRET_KEYS: put it first, and keep the old ones behind it."""
    from ingest.accounts import secret_box

    typer.echo(secret_box.new_key())


def _client() -> "Client":
    from convolake.api_client import MissingKeyError, open_client

    with report_errors(MissingKeyError):
        return open_client(Settings())
