"""What a mark on a text is: where it stands, and what it says. Pure."""
