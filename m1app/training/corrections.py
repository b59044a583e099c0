"""Turns a corrected case into a training sample: the annotators' facts replace the errors.

A right answer keeps its thinking, with the facts inserted. If the answer was wrong, thinking after the last correction
contains unmarked errors: it is cut there and closed with the target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CorrectedSpan:
    """An annotated span and the fact that belongs there."""

    is_thinking: bool
    """False: in the answer, or about the case as a whole."""
    start: int
    """In code points; -1 without a span."""
    end: int
    exact: str
    """The text of the span; empty where something was missing."""
    fact: str
    """One sentence; empty if the annotator gave none."""


def correct(
    reasoning: str,
    answer: str,
    options: Mapping[str, str],
    target: str | None,
    spans: Sequence[CorrectedSpan],
    facts: Sequence[str],
) -> tuple[str, str]:
    """Return reasoning and answer with the corrections applied.

    Args:
        reasoning: the model's thinking.
        answer: the model's final response.
        options: letter to text.
        target: letter of the right option; None if unknown.
        spans: the corrected spans; one whose text is not found at its position is skipped.
        facts: all corrected facts, including those about the case as a whole.
    """
    # Reads the rules of every language: the process that reads files needs them for corrections only.
    from m1app.training.verification import Verdict, verify

    fixed, end = _replaced(reasoning, [span for span in spans if span.is_thinking])
    fixed_answer, _ = _replaced(answer, [span for span in spans if not span.is_thinking])
    if target is None or verify(fixed_answer, options, target) is Verdict.AGREES:
        return fixed, fixed_answer
    sound = fixed[:end].rstrip() if end else " ".join(facts)
    stated = f"{target}. {options[target]}" if target in options else target
    return f"{sound}\n\nSo the answer is {stated}".strip(), f"The answer is {stated}"


def _replaced(text: str, spans: Sequence[CorrectedSpan]) -> tuple[str, int]:
    """Return `text` with the facts inserted, and the end of the last one; 0 if there are none."""
    made, position, end = "", 0, 0
    for span in sorted(spans, key=lambda each: (each.start, each.end)):
        # Of overlapping spans the first counts.
        is_there = span.start >= position and text[span.start : span.end] == span.exact
        if not (is_there and span.fact):
            continue
        made += text[position : span.start]
        glue = "" if not made or made[-1].isspace() else " "
        made += (glue if not span.exact else "") + span.fact
        position, end = span.end, len(made)
    return made + text[position:], end
