"""Shortens the reasoning of training samples by the steps that matter least (PIR, LIMOPro, arXiv 2505.19187)."""
