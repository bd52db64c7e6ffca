"""The conversation API: verify, translate, authorise. Thin, without business rules."""
