"""Branches: traces that go on from an edited part of another."""
