"""Loggers of bot frameworks: what a framework writes about a conversation, as events."""
