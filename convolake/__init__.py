"""The commands that people start, and `Client` and `AsyncClient`, with which they write bots."""

from ingest.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]
