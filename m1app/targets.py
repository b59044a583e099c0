"""Targets and answers as letters: one, as "C", or several, as "A, C".

A question has several right options if its target has several letters; everything else follows from that. The text is
the same wherever letters are kept, compared or shown: in upper case, in order, each once. A target of one letter is
that letter, as it always was. See docs/adr/0023-several-right-options.md.
"""

from collections.abc import Collection, Iterable

_SEPARATOR = ", "


def joined_letters(letters: Iterable[str]) -> str:
    """Letters as they are kept and shown: "A, C"."""
    return _SEPARATOR.join(sorted(set(letters)))


def letters_of(text: str | None) -> tuple[str, ...]:
    """The letters of a target or an answer, in order; none for None."""
    return tuple(text.split(_SEPARATOR)) if text else ()


def has_several(target: str | None) -> bool:
    """Whether a question with this target has several right options."""
    return len(letters_of(target)) > 1


def is_target(target: str | None, options: Collection[str]) -> bool:
    """Whether a target is as it is kept, and each of its letters one of the options."""
    letters = letters_of(target)
    return bool(letters) and set(letters) <= set(options) and (len(letters) == 1 or joined_letters(letters) == target)


def hamming_score(letters: str | None, target: str | None) -> float | None:
    """How much of a target an answer hits, from 0 to 1: letters in both, of all letters in either.

    As code that evaluates FrenchMedMCQA computes it: an option that is missing and one that is too many count the same.
    It is not the complement of the Hamming loss, which also counts options that are rightly left out.

    Of one right option, it is 1 or 0, as the verdict.

    Args:
        letters: the answer; None if no letters were read, which scores 0.
        target: of the question.

    Returns:
        None without a target.
    """
    if not target:
        return None
    chosen, right = set(letters_of(letters)), set(letters_of(target))
    return len(chosen & right) / len(chosen | right)
