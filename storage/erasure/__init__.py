"""Removing for good what a person asks to have removed, and what is older than it may be."""
