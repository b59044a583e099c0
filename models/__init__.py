"""Everything that turns a prompt into tokens: engines, model catalog, profiles, the thinking pass."""
