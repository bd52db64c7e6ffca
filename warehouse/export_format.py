"""The formats of an export, its error, and what makes CSV safe. It imports nothing, so that commands start quickly."""

import enum

FORMULA = r"^[=+\-@\t\r]"
"""Beginning of a text that a spreadsheet would run as a formula (OWASP, CSV injection).

Such a text gets an apostrophe before it.
"""


class ExportError(Exception):
    """The export cannot be made as asked; nothing was written."""


class Format(enum.StrEnum):
    """Format of the exported files."""

    parquet = "parquet"
    csv = "csv"
    jsonl = "jsonl"
