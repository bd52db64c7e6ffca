"""The log: the single write path. Deduplicate, decide, sequence, commit, acknowledge."""
