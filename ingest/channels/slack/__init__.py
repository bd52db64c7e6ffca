"""Slack: the Events API, interactions and the Web API."""
