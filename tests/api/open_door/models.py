"""There is nothing to store."""
