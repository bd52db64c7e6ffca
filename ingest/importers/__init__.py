"""Other systems' histories as our events; one file a format, pure: bytes in, events out."""
