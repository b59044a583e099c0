"""The stored passes of one model over the same questions, as arrays: what strategies are evaluated from.

Every pass of a question has its own seed, and an answer at each thinking budget. A pass that ended its thinking by
itself has the same answer at every larger budget.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLANK = -1
"""In place of an answer, where there is none."""
RIGHT = 0
"""The number of the right answer in every question; wrong ones follow, in the order of their first pass."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of one pass at one budget."""

    question: int
    """From 0, without gaps."""
    pass_number: int
    """From 0."""
    budget_tokens: int
    letter: str | None
    is_right: bool
    thinking_tokens: int
    """Thinking tokens that were available to the answer."""
    tokens: int
    """Tokens that a run of this pass at this budget generates in all, the answer included."""
    option_probabilities: Mapping[str, float] | None = None
    """Of the options as the next token at the end of the thinking; they need not add up to 1."""


@dataclass(frozen=True, slots=True)
class PassGrid:
    """Answers by question, pass and budget; the arrays have this shape, [questions, passes, budgets]."""

    budgets: tuple[int, ...]
    """Ascending."""
    answers: NDArray[np.int16]
    """`RIGHT`, the number of a wrong answer, or `BLANK`."""
    thinking: NDArray[np.int64]
    """Thinking tokens, see `StoredAnswer`."""
    tokens: NDArray[np.int64]
    """Tokens generated in all, see `StoredAnswer`."""
    mass: NDArray[np.float32] | None
    """[questions, passes, budgets, answers]: probability of each answer, normalized over the options; numbered as in
    `answers`, options that no pass chose last; 0 for a blank without any. None if it is not known for every answer."""

    @property
    def questions(self) -> int:
        """Number of questions."""
        return int(self.answers.shape[0])

    @property
    def passes(self) -> int:
        """Passes per question."""
        return int(self.answers.shape[1])

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """[questions, passes, budgets]."""
        return np.asarray(self.answers == RIGHT)


def pass_grid(stored: Sequence[StoredAnswer], targets: Sequence[str]) -> PassGrid:
    """Arrange stored answers; questions whose passes are not all stored are left out.

    Args:
        stored: answers of one model at one number of force rounds, in any order.
        targets: the right answer of each question, as the letters are written.

    Raises:
        ValueError: no question has all its passes.
    """
    budgets = tuple(sorted({each.budget_tokens for each in stored}))
    passes = 1 + max((each.pass_number for each in stored), default=-1)
    found: dict[int, list[StoredAnswer]] = {}
    for each in stored:
        found.setdefault(each.question, []).append(each)
    whole = [number for number in sorted(found) if len(found[number]) == passes * len(budgets)]
    if not whole:
        raise ValueError("no question has all its passes")
    shape = (len(whole), passes, len(budgets))
    answers = np.full(shape, BLANK, dtype=np.int16)
    thinking, tokens = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    places = {budget: i for i, budget in enumerate(budgets)}
    numbers = [_numbers(found[question], targets[question]) for question in whole]
    mass = _empty_mass(shape, numbers) if _have_mass(stored) else None
    for i, question in enumerate(whole):
        for each in found[question]:
            at = (i, each.pass_number, places[each.budget_tokens])
            answers[at] = BLANK if each.letter is None else RIGHT if each.is_right else numbers[i][each.letter]
            thinking[at], tokens[at] = each.thinking_tokens, each.tokens
            if mass is not None:
                _fill_mass(mass[at], each.option_probabilities or {}, numbers[i])
    return PassGrid(budgets, answers, thinking, tokens, mass)


def _numbers(stored: Sequence[StoredAnswer], target: str) -> dict[str, int]:
    """The number of each letter of a question."""
    ordered = sorted(stored, key=lambda each: (each.pass_number, each.budget_tokens))
    letters = [each.letter for each in ordered if each.letter is not None and not each.is_right]
    letters += sorted({letter for each in stored for letter in each.option_probabilities or ()})
    return {letter: number for number, letter in enumerate(dict.fromkeys([target, *letters]), start=RIGHT)}


def _have_mass(stored: Sequence[StoredAnswer]) -> bool:
    """Whether every answer has probabilities; where the engine gave none of an answer, it has no weight."""
    has_mass = [bool(each.option_probabilities) for each in stored]
    return any(has_mass) and all(has or each.letter is None for has, each in zip(has_mass, stored, strict=True))


def _empty_mass(shape: tuple[int, ...], numbers: Sequence[Mapping[str, int]]) -> NDArray[np.float32]:
    return np.zeros((*shape, max(map(len, numbers))), dtype=np.float32)


def _fill_mass(row: NDArray[np.float32], probabilities: Mapping[str, float], numbers: Mapping[str, int]) -> None:
    total = math.fsum(probabilities.values())
    if total <= 0:
        return  # The model would say something else than an option: no answer has any weight.
    for letter, probability in probabilities.items():
        row[numbers[letter]] = probability / total
