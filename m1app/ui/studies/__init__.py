"""The Studies page: studies are started, watched and read."""
