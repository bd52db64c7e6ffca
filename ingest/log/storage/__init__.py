"""The log's database: SQLite, or PostgreSQL by URL."""
