"""When things run: Dagster definitions made from the SQL models."""
