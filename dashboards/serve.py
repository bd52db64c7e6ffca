"""The command line of the dashboard, the same for `up`, tests and people."""

import sys
from pathlib import Path

from ingest.settings import Settings

HERE = Path(__file__).parent


def command(settings: Settings) -> list[str]:
    """Return the command that serves the dashboard on the host and port of `settings`.

    The process reads its own settings from the environment, so pass on `CONVOLAKE_DATA` and the others.
    """
    options = {
        "server.address": settings.host,
        "server.port": str(settings.dashboard_port),
        "server.headless": "true",  # neither a browser nor a question at the start
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",  # an installed application does not change under us
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "type",  # a traceback may quote what a customer wrote
        "theme.base": str(HERE / "theme.toml"),
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(HERE / "app.py"), *flags]
