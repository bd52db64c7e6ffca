"""Identity: which person an address belongs to, and which conversation a message continues."""
