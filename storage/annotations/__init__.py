"""Annotations and assessments: records, tables, repositories, and the cases they belong to."""
