"""Channels: a package for each provider. A call of a provider becomes items; a message becomes a request."""
