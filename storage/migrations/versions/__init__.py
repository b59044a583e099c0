"""The steps, each named after the one it follows."""
