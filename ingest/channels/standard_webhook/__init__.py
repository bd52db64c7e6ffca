"""Any program that sends and receives signed JSON (Standard Webhooks)."""
