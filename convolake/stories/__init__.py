"""The content of simulated conversations: cast, texts, scenes."""
