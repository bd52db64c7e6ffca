"""The only writer of the event log: API, log, lake. Other packages import `contract`, `manifest`, `settings` and `client` only."""
