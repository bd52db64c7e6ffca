"""`python -m convolake`: the same as the command `convolake`."""

from convolake.cli import app

app()
