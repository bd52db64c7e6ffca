"""Several API processes of one log: on PostgreSQL each with a writer, on SQLite with one that they share."""
