"""Reads a pasted text as a question: its stem, options and target."""
