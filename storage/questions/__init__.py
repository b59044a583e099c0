"""Questions: records, table, repository."""
