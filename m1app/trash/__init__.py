"""Deleting with a way back: what goes, what stays, undo, and removal for good after a time."""
