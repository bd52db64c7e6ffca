"""Where the dispatcher sends events; one module for each kind."""
