"""Strategies evaluated from the stored passes of many questions at once, exactly and without a request."""
