"""Question sets, prompts, answer extraction, scoring and statistics: what a benchmark run is made of."""
