"""The page for SQL: read-only queries of the warehouse, each in a process of its own."""
