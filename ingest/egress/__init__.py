"""Requests to URLs that users configure."""
