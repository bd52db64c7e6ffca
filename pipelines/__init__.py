"""Schedules: Dagster definitions made from the SQL models."""
