"""Results of others as benchmark runs: logs of lm-evaluation-harness and Inspect, and m1's result files."""
