"""The strategies themselves, one module each, and what they share."""
