"""Studies as they were started."""
