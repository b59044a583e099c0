"""Resamplings: which sentence of a thinking was resampled."""
