"""Traces and checkpoints: records, tables, repository, lists."""
