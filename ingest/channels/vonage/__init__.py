"""Vonage: SMS and the Messages API."""
