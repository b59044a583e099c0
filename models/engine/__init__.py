"""The protocol that every engine follows, and the client that speaks it over HTTP."""
