"""One file per command; each adds itself to the application by being imported in `convolake.cli`."""
