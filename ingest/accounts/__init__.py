"""Channel accounts: the numbers, pages and inboxes of the organisation, with encrypted secrets."""
