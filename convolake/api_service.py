"""The API process of an installation, `convolake api`: it loads nothing that only other commands need (70 MiB)."""

import logging
import os

from ingest.api.api_process import CANNOT_START, GROUP_COMMAND, LOG_FORMAT, serve_api
from ingest.settings import Settings


def run() -> int:
    """Serve until a signal, or become a group of API processes if the setting says so; return the exit code."""
    settings = Settings()
    if settings.workers > 1:
        os.execv(GROUP_COMMAND[0], GROUP_COMMAND)  # noqa: S606 (our own command)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    return 0 if serve_api(settings) else CANNOT_START
