"""Three bots, each with the instrumentation of its own framework, and the model that they ask."""
