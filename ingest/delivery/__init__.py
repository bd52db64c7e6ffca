"""Readers of the log that hand it on: to whoever listens now, and to webhooks."""
