"""Strategies that were run on a question: what each answered, and every request that it made."""
