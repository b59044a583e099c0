"""The question part that every page's form shares."""
