"""One file per command, registered in `convolake.cli`.

A command imports what it needs when it runs: `convolake keys` does not load Dagster.
"""
