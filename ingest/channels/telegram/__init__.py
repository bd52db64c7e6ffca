"""Telegram: bots."""
