"""Asking questions: single passes (probes) and grids (sweeps), live and stored."""
