"""Preference pairs: two responses to one question, of which one is better; built from what is stored here."""
