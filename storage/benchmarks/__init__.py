"""Benchmark runs: records, tables, repository, results."""
