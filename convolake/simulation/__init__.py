"""A simulation of customers, a bot and a provider with faults, compared with the warehouse at the end."""
