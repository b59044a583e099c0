"""Jobs: submitted, scheduled, run by workers here or on Ray, and monitored."""
