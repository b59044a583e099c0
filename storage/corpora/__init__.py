"""Corpora: passages to search, with their sources; records, tables, repository, search."""
