"""SQL models of the record, and the Python that builds them. Derived: may be deleted."""
