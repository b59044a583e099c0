"""Which engine answers: started, watched and described for pages and commands."""
