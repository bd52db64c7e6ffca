"""Requests to URLs that somebody else chose."""
