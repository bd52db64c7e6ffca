"""Routes of the conversation API, one module for each resource."""
