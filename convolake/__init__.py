"""The roof: what a person types. It may import everything; nobody imports it."""
