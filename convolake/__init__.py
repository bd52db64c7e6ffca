"""What people start, and `Client`, with which they write bots."""

from ingest.client import Client

__all__ = ["Client"]
