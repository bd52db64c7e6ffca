"""Spans and log records of OpenTelemetry become messages, tool calls and calls of models."""
