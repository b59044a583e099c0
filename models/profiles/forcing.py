"""How rounds are forced: a part of what a profile says, and of what the controller of a pass does."""

from enum import StrEnum


class Forcing(StrEnum):
    """How rounds are forced, and what they cost; docs/adr/0002-exact-budget.md compares the two."""

    EXACT = "exact"
    """A space before "Wait" exactly where two words would be joined; every token of thinking counts."""
    AS_PUBLISHED = "as published"
    """As m1's own code does it: a space exactly where the thinking ends in one, and of the "Wait"s only the last one
    counts."""
