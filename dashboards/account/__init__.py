"""The account page: who the user is, and what they may do."""
