"""Jobs: records, table, repository."""
