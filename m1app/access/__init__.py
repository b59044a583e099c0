"""Who may do what: persons and permissions, accounts, sessions, and the audit log."""
