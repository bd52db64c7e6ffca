"""Hooks: endpoints that allow, modify or reject a message before it is stored."""
