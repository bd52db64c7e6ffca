"""The agent desk: waiting handoffs, and the conversations of one agent, live."""
