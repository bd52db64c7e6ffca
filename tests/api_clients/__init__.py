"""Linters and generated clients of the API's documents: `make check-api`."""
