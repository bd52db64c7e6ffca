"""The processes of an installation, and how each is started."""

import errno
import socket
import sys

from convolake.supervisor import Service
from dashboards import serve as dashboard
from ingest.settings import Settings
from pipelines import dagster_home as dagster_home

CONVOLAKE = [sys.executable, "-P", "-m", "convolake"]
"""`-P`: a file in the current folder must not be imported in place of a module."""


class AddressError(Exception):
    """A server cannot listen on its configured address."""


class PortTakenError(AddressError):
    """Another process listens on a configured port."""

    def __init__(self, name: str, port: int, variable: str) -> None:
        """`variable`: the setting that chooses another port."""
        super().__init__(
            f"{name}: port {port} is in use; stop the other process, or set {variable}"
        )


def log_services(settings: Settings, *, with_lake: bool = True) -> list[Service]:
    """Return the API and the lake. Of several APIs on one log, one runs with the lake."""
    _check_port("api", settings.host, settings.port, "--port or CONVOLAKE_PORT")
    api = Service(
        "api", [*CONVOLAKE, "api"], url=f"{settings.url}/docs", probe=f"{settings.url}/readyz"
    )
    return [api, Service("lake", [*CONVOLAKE, "lake"])] if with_lake else [api]


def all_services(settings: Settings) -> list[Service]:
    """Return every process: API, lake, dashboard, Dagster. Dagster loads, so it has low priority.

    Raises AddressError, SignInError.
    """
    address, port = settings.dashboard_address, settings.dashboard_port
    _check_port("dagster", dagster_home.HOST, settings.dagster_port, "CONVOLAKE_DAGSTER_PORT")
    _check_port("dashboard", address, port, "CONVOLAKE_DASHBOARD_PORT")
    return [
        *log_services(settings),
        Service(
            "dashboard",
            dashboard.command(settings),
            url=settings.dashboard_url or f"http://{address}:{port}",
            probe=f"http://{address}:{port}/_stcore/health",
        ),
        Service(
            "dagster",
            dagster_home.command(settings),
            url=f"http://{dagster_home.HOST}:{settings.dagster_port}",
            environment=dagster_home.environment(settings),
            is_background=True,
        ),
    ]


def demo_services(settings: Settings, days: int) -> list[Service]:
    """Return simulated history, then a live trickle, and the bot of a public web chat."""
    return [
        Service("simulation", [*CONVOLAKE, "simulate", "--days", str(days), "--live"]),
        Service("assistant", [*CONVOLAKE, "assistant"], url=f"{settings.url}/chat"),
    ]


def _check_port(name: str, host: str, port: int, variable: str) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(name, port, variable) from error
        raise AddressError(
            f"{name}: cannot listen on {host} port {port}: {error.strerror}; "
            f"set CONVOLAKE_HOST, or {variable}"
        ) from error
