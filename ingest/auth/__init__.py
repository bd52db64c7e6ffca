"""Authentication and authorisation: API keys, user tokens, scopes, rate limits."""
