"""The formats of an export, and its error: apart from `export`, so that the command line starts quickly."""

import enum


class ExportError(Exception):
    """The export cannot be made as asked; nothing was written."""


class Format(enum.StrEnum):
    """Format of the exported files."""

    parquet = "parquet"
    csv = "csv"
    jsonl = "jsonl"
