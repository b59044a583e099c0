"""Answers to open questions: a model's verdict by a reference answer, persons' verdicts beside it, their agreement."""
