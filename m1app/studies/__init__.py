"""Studies: files that name benchmark runs and the claims they test; planned, run, stopped and resumed as one."""
