"""Accounts and their sessions, and the record of who did what."""
