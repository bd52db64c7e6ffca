"""Errors that a user can fix, as one line: what, where, what to do."""

import os

import adbc_driver_manager
import duckdb
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from ingest.log.storage.base import UnusableDatabaseError
from ingest.manifest import ManifestError
from ingest.settings import Settings
from warehouse.checks import CheckError
from warehouse.lake import WarehouseBusyError, WarehouseMissingError


def error_message(error: BaseException) -> str | None:
    """Return the line for `error`; None for an unexpected error."""
    match error:
        case ValidationError(title="Settings"):
            return _settings_message(error)
        case ManifestError() | CheckError() | WarehouseBusyError() | WarehouseMissingError():
            return str(error)
        case UnusableDatabaseError():
            return str(error)
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}; {_advice()}"
        case DBAPIError():
            return f"the log's store: {str(error.orig).strip()}; {_advice()}"
        case adbc_driver_manager.Error():
            return f"the log's store: {_first_line(error)}; {_advice()}"
        case duckdb.IOException():
            return f"the warehouse: {_first_line(error)}; {_advice()}"
    return None


_SECRET = {
    name.upper()
    for name, field in Settings.model_fields.items()
    if "Secret" in str(field.annotation)
} | {"STORE_URL"}


def _settings_message(error: ValidationError) -> str:
    """Name each invalid setting by its environment variable."""
    messages = []
    for each in error.errors():
        name = str(each["loc"][0]).upper()  # what follows is the place in a list
        reason = each["msg"].removeprefix("Value error, ")
        # A URL may hold a password.
        value = "" if name in _SECRET else f"={each['input']}"
        messages.append(f"CONVOLAKE_{name}{value}: {reason}")
    return "; ".join(messages)


def _advice() -> str:
    data = os.environ.get("CONVOLAKE_DATA", "data")
    if os.environ.get("CONVOLAKE_STORE_URL", "").startswith("postgresql:"):
        return "CONVOLAKE_STORE_URL must name a database that answers, and a user who may write it"
    return f"CONVOLAKE_DATA ({data}) must be a folder with room that you may read and write"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
