"""The engine in use: started, watched and described for pages and commands."""
