"""What happens in a simulated conversation: who takes part, what is said, how it goes."""
