"""The cost page: tokens and money of model calls."""
