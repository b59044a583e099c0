"""Benchmark runs: planning, running, scoring, aggregation, charts and reports."""
