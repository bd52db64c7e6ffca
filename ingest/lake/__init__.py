"""The lake process: reads the log, seals Parquet segments, keeps their manifest."""
