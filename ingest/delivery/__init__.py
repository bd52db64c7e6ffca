"""Delivery of committed events: to webhooks and other destinations, and live to subscribers."""
