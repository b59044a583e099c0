"""Known models and how their weights reach the disk."""
