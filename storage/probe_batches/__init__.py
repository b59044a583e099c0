"""Batches of probes that are not over: what is left to ask, kept for after a restart."""
