"""Sets of questions: read from files and the hub, checked, compared and kept."""
