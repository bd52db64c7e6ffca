"""Mail: what a mail means, and the providers that bring and send it."""
