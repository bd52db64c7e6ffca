"""Several API processes over one log: on one PostgreSQL, or with one writer of a log in SQLite."""
