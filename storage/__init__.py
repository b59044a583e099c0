"""Persistence: the database, its tables and migrations, one repository per aggregate.

The rest of the app uses `Database`, `TraceRepository`, `QuestionRepository`, the records and the errors; nothing
outside this package imports SQLAlchemy.
"""
