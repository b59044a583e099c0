"""Question sets: records, tables, repository."""
