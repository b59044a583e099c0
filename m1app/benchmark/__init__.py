"""Benchmark runs: planned, run, judged, counted, drawn and reported."""
