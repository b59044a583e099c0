"""Measurements of the app against what it stands on; README.md says how to run them and what they gave."""
