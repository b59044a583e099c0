"""Which option an answer commits to, and whether that is right."""
