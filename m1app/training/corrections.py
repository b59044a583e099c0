"""Turns a corrected case into a training sample: the annotators' facts replace the errors.

A right answer keeps its thinking, with the facts inserted. If the answer was wrong, thinking after the last correction
contains unmarked errors: it is cut there and closed with the target.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.training.samples import TrainingSample

FACTS = "facts of corrections"
"""Source of samples that teach a corrected fact alone."""
_WHICH = "Which of these two statements is right?"


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
    question: str = "",
) -> tuple[str, str]:
    """Return reasoning and answer with the corrections applied.

    Args:
        reasoning: the model's thinking.
        answer: the model's final response.
        options: letter to text.
        target: letter of the right option; None if unknown.
        spans: the corrected spans; one whose text is not found at its position is skipped.
        facts: all corrected facts, including those about the case as a whole.
        question: the stem, see `verify`.
    """
    # Reads the rules of every language: the process that reads files needs them for corrections only.
    from m1app.training.verification import Verdict, verify

    fixed, end = _replaced(reasoning, [span for span in spans if span.is_thinking])
    fixed_answer, _ = _replaced(answer, [span for span in spans if not span.is_thinking])
    if target is None or verify(fixed_answer, options, target, question) is Verdict.AGREES:
        return fixed, fixed_answer
    sound = fixed[:end].rstrip() if end else " ".join(facts)
    stated = f"{target}. {options[target]}" if target in options else target
    return f"{sound}\n\nSo the answer is {stated}".strip(), f"The answer is {stated}"


def insert_facts(reasoning: str, answer: str, spans: Sequence[CorrectedSpan]) -> tuple[str, str]:
    """Return reasoning and answer with the facts in place of the marked texts, and nothing else changed."""
    fixed, _ = _replaced(reasoning, [span for span in spans if span.is_thinking])
    return fixed, _replaced(answer, [span for span in spans if not span.is_thinking])[0]


def fact_alone(spans: Sequence[CorrectedSpan], domain: str) -> TrainingSample:
    """Return a sample that asks which of two statements is right: the marked text, or the fact that corrects it.

    The letter of the right one follows from the texts, so that neither place is the usual one.

    Args:
        spans: corrected spans with text and fact; the first counts, as later errors often follow from it. Empty gives a
            sample without an answer.
        domain: of the question.
    """
    if not spans:
        return TrainingSample(_WHICH, {}, None, "", "", domain, FACTS)
    wrong, right = (" ".join(text.split()) for text in (spans[0].exact, spans[0].fact))
    target = "AB"[hashlib.sha256(f"{wrong}\n{right}".encode()).digest()[0] % 2]
    options = {letter: right if letter == target else wrong for letter in "AB"}
    reasoning = f"One of the two was marked as an error and corrected. {right}"
    return TrainingSample(_WHICH, options, target, reasoning, f"The answer is {target}. {right}", domain, FACTS)


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
