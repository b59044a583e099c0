"""Files of answers from elsewhere, to be scored: logs of lm-evaluation-harness and Inspect, and tables of answers."""
