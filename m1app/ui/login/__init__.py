"""Logging in, over HTTP: the gate before every page, the login page, and one's own account."""
