"""Who may use the Admin page."""
