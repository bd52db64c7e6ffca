"""The bot quality page: what the bot understands, how fast it answers, and where customers leave."""
