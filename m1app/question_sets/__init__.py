"""Question sets: read from files and the hub, validated, compared and stored."""
