"""The options of a simulation with faults, as people type them: `5%` and `15s`."""

import re
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer


class ChannelName(StrEnum):
    """The channels whose provider can be simulated."""

    whatsapp = "whatsapp"
    sms = "sms"
    messenger = "messenger"
    telegram = "telegram"
    email = "email"


def share(given: str | float) -> float:
    """Return `5%` or `0.05` as 0.05. Raises BadParameter."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)", str(given).strip(), re.ASCII)
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter("give a share from 0% to 100%, such as 5%")
    return value


def loopback_url(given: str) -> str:
    """Return the URL of an API on this machine. Raises BadParameter for another one: it could not reach the stand-in."""
    url = given.rstrip("/").replace("//localhost", "//127.0.0.1", 1)
    try:
        parts = urlsplit(url)
        is_local = parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise typer.BadParameter(
            "--url: give an API on this machine, such as http://127.0.0.1:8000; "
            "it has to send the bot's answers to a stand-in of the provider here"
        )
    return url


def seconds(given: str | int) -> int:
    """Return `15s` or `15` as 15. Raises BadParameter."""
    found = re.fullmatch(r"([0-9]{1,4})s?", str(given).strip(), re.ASCII)
    if found is None:
        raise typer.BadParameter("give whole seconds, such as 15s")
    return int(found[1])


Channel = Annotated[
    ChannelName | None,
    typer.Option(help="Simulate the provider of a channel instead, and compare the warehouse."),
]
Conversations = Annotated[
    int, typer.Option(min=1, max=10_000, help="Customers that write on the channel.")
]
Duplicates = Annotated[
    float, typer.Option(parser=share, metavar="SHARE", help="Calls that come again, some at once.")
]
Reorder = Annotated[
    float,
    typer.Option(
        parser=share,
        metavar="SHARE",
        help="Groups of calls that overtake each other; statuses that come before the answer to their send.",
    ),
]
DropReceipts = Annotated[
    float, typer.Option(parser=share, metavar="SHARE", help="Receipts that never come.")
]
SlowBot = Annotated[
    int,
    typer.Option(
        parser=seconds,
        metavar="SECONDS",
        help="Time until the bot answers, by the simulated clock; with --url real time.",
    ),
]
HiddenNumbers = Annotated[
    float,
    typer.Option(parser=share, metavar="SHARE", help="Customers who hide the phone number."),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Use an API that runs on this machine, such as http://127.0.0.1:8000, in real time. Its key is CONVOLAKE_API_KEY, "
        "or this installation's own.",
    ),
]
Keep = Annotated[
    Path | None,
    typer.Option(help="A new data folder for the API of --channel, which is kept.", exists=False),
]
