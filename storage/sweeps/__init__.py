"""Sweeps: records, table, repository."""
