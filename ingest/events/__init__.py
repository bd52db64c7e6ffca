"""Event types, drafts, decisions and projections. Pure: no I/O and no clock."""
