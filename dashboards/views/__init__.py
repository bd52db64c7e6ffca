"""The pages: they arrange what `data`, `charts` and `words` give them."""
