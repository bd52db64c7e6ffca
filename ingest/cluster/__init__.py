"""Several API processes over one PostgreSQL log."""
