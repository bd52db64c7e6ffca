"""The conversations page: the list, and one transcript."""
