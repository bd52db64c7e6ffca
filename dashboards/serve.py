"""The command line of the dashboard, the same for `up`, tests and people; and when it may be served."""

import json
import os
import secrets
import sys
from ipaddress import ip_address
from pathlib import Path

from ingest.settings import Settings

HERE = Path(__file__).parent


class SignInError(Exception):
    """The dashboard is not served, because of its sign-in. The message says what to set."""


def command(settings: Settings) -> list[str]:
    """Return the command that serves the dashboard on the address and port of `settings`.

    The process reads its own settings from the environment, so pass on `CONVOLAKE_DATA` and the others. The
    settings of the sign-in are written to the data folder. Raises SignInError.
    """
    options = {
        "server.address": settings.dashboard_address,
        "server.port": str(settings.dashboard_port),
        "server.headless": "true",  # neither a browser nor a question at the start
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",  # an installed application does not change under us
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "runner.magicEnabled": "false",  # else the documentation of a constant shows on the page
        "client.showErrorDetails": "type",  # a traceback may quote what a customer wrote
        "client.disableDataExport": "true",  # a table's own download is not on record
        "client.showErrorLinks": "false",  # nor does a link send it to others
        "theme.base": str(HERE / "theme.toml"),
    }
    if settings.has_sign_in:
        options["secrets.files"] = str(_write_sign_in(settings))
    elif not _is_loopback(settings.dashboard_address):
        raise SignInError(
            f"dashboard: other machines reach {settings.dashboard_address}, and users do not sign in. Set "
            "CONVOLAKE_OIDC_ISSUER and the settings that belong to it (docs/guide.md, Sign-in), or keep the "
            "dashboard on this machine with CONVOLAKE_DASHBOARD_HOST=127.0.0.1"
        )
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(HERE / "app.py"), *flags]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _write_sign_in(settings: Settings) -> Path:
    """Write what Streamlit needs to know for `st.login`, readable for the owner only."""
    section = _sign_in(settings)
    lines = [f"{name} = {_toml(value)}" for name, value in section.items()]
    scopes = f"client_kwargs = {{ scope = {_toml(settings.oidc_scopes)} }}"
    path = settings.sign_in_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a new file, which no other process has open
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("\n".join(["[auth]", *lines, scopes, ""]))
    return path


def _toml(text: str) -> str:
    """Return a basic string of TOML, which escapes as JSON does."""
    return json.dumps(text, ensure_ascii=False)


def _sign_in(settings: Settings) -> dict[str, str]:
    secret = settings.oidc_client_secret
    given = {
        "CONVOLAKE_OIDC_ISSUER": settings.oidc_issuer,
        "CONVOLAKE_OIDC_CLIENT_ID": settings.oidc_client_id,
        "CONVOLAKE_OIDC_CLIENT_SECRET": secret and secret.get_secret_value(),
    }
    if missing := [name for name, value in given.items() if not value]:
        raise SignInError(f"dashboard: the sign-in also needs {' and '.join(missing)}")
    issuer, client_id, client_secret = (value or "" for value in given.values())
    cookie_secret = settings.oidc_cookie_secret
    return {
        "redirect_uri": f"{_url(settings)}/oauth2callback",
        "cookie_secret": cookie_secret.get_secret_value()
        if cookie_secret is not None
        else secrets.token_hex(32),
        "client_id": client_id,
        "client_secret": client_secret,
        "server_metadata_url": f"{issuer.rstrip('/')}/.well-known/openid-configuration",
    }


def _url(settings: Settings) -> str:
    """Return where browsers find the dashboard: the provider sends them back there."""
    host = settings.dashboard_address
    if settings.dashboard_url is None and host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        raise SignInError(
            "dashboard: set CONVOLAKE_DASHBOARD_URL to the address in the browser, such as "
            "https://convolake.example.com, because the sign-in leads back there"
        )
    return (settings.dashboard_url or f"http://{host}:{settings.dashboard_port}").rstrip("/")
