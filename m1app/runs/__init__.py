"""Asking a question: single passes (probes) and grids (sweeps), live and kept."""
