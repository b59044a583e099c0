"""The Admin page."""
