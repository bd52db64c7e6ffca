"""The metrics page: every metric of the registry, with its definition."""
