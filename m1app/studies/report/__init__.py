"""The report of a study: one page, its tables and figures as files, and the manifest to repeat it with."""
