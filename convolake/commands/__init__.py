"""One file per command, gathered in `convolake.cli`.

What a command needs is imported when it runs: `convolake keys` does not wait for Dagster.
"""
