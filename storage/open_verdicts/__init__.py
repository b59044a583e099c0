"""Verdicts on answers to open questions, by models and by persons."""
