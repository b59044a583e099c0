"""Converts form input to the numbers that requests need."""

import re
from typing import Any

from m1app.runs.errors import ProbeRefused, SweepRefused
from m1app.runs.probe_request import MAX_SEED

BUDGET_EXPONENTS = (6, 14)
"""The powers of two that forms offer as budgets: 64 to 16,384 tokens."""
BUDGET_CHIPS = tuple(2**n for n in range(BUDGET_EXPONENTS[0], BUDGET_EXPONENTS[1] + 1))

ROUNDS_HELP = "How often “Wait” is inserted when the model wants to stop thinking."
TEMPERATURE_HELP = "0 always takes the likeliest token; higher values vary more."
SEED_HELP = "The same seed repeats a run."

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")


def read_seed(text: str | None) -> int | None:
    """Parse a seed, None if empty; raises ProbeRefused for anything but a whole number."""
    if not text or not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        raise ProbeRefused(
            "seed", f"Seed is {text[:40]!r}; enter a whole number from 0 to {MAX_SEED:,}, or leave it empty."
        ) from None


def read_whole(value: Any, field: str, name: str, low: int, high: int) -> int:
    """Convert a number box's or slider's value to an int; raises ProbeRefused if it is not whole or out of range."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or not low <= value <= high:
        raise ProbeRefused(field, f"{name} is {value!r}; enter a whole number from {low} to {high}.")
    return value


def read_budgets(text: str | None) -> tuple[int, ...]:
    """Parse budgets separated by spaces, commas or semicolons.

    Raises:
        SweepRefused: something is not a whole number, or is ambiguous, like "1,024".
    """
    budgets = []
    for word in (text or "").replace(";", " ").replace(", ", " ").split():
        if _THOUSANDS.fullmatch(word):
            raise SweepRefused(
                "budgets",
                f"Custom budgets contains {word!r}, which could be one number or several; write "
                f"{word.replace(',', '')} or {word.replace(',', ' ')}.",
            )
        for number in filter(None, word.split(",")):
            if not re.fullmatch(r"[0-9]{1,9}", number):
                raise SweepRefused(
                    "budgets",
                    f"Custom budgets contains {number[:40]!r}; enter whole numbers of tokens, such as 100 300.",
                )
            budgets.append(int(number))
    return tuple(budgets)
