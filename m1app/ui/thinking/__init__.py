"""The Thinking page: a stored thinking by its sentences; edited, and gone on with."""
