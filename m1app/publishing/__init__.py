"""Benchmark runs as a static site, and one trace or one sweep as a single HTML file."""
