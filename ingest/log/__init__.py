"""ONE door of the record: dedupe, sequence, session, state, commit, acknowledge."""
