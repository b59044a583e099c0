"""Jobs: which states may follow each other, where a job's files lie, and who runs its worker. No database in here."""
