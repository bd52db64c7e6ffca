"""The health page: ingest stats, rejected events, and what the warehouse holds."""
