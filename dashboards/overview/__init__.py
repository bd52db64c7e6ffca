"""The overview page: figures of a period, with charts."""
