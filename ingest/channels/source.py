"""The source of events that providers cause: one for all accounts, so that derived ids agree between them."""

CHANNEL_SOURCE = "channels"
"""`source` of every event that a provider's call became; `channel_account` says which account."""
