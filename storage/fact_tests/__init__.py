"""Fact tests: which fact was tested where; what was asked is a strategy run."""
