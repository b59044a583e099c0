"""Backups of a home: made while the app runs, verified by restoring them, encrypted if there is a key."""
