"""SQL models of the record, and the little Python that builds them. Derived: may be deleted."""
