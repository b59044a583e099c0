"""Measurements of the app against its foundations; see README.md for usage and results."""
