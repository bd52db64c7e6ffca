"""The only writer of the event log: API, log, lake. Outside, import `contract`, `settings`, `client`."""
