"""The handoffs page: from the request of a human to the end."""
