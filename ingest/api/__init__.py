"""The conversation API: verify, translate, authorise. Thin, no business rule of its own."""
