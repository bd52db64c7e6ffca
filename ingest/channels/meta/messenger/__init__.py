"""Messenger, and the platform that Instagram shares with it."""
