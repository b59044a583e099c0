"""A case that annotators corrected, as something worth learning: their facts take the place of the errors.

A right answer keeps its thinking, with the facts in place. After a wrong answer the thinking that follows the last
correction rests on errors nobody marked: it is cut there, and the target closes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.training.verification import Verdict, verify


@dataclass(frozen=True, slots=True)
class CorrectedSpan:
    """An annotated stretch and the fact that belongs there."""

    is_thinking: bool
    """False: of the answer, or of the case as a whole."""
    start: int
    """In code points; -1 without a stretch."""
    end: int
    exact: str
    """The words of the stretch; empty where something was missing."""
    fact: str
    """In a sentence; empty when the annotator gave none."""


def correct(
    reasoning: str,
    answer: str,
    options: Mapping[str, str],
    target: str | None,
    spans: Sequence[CorrectedSpan],
    facts: Sequence[str],
) -> tuple[str, str]:
    """Reasoning and answer with the corrections worked in.

    Args:
        reasoning: the model's thinking.
        answer: the model's final response.
        options: letter to text.
        target: letter of the right option; None when it is not known.
        spans: what was corrected; one whose words do not stand at its place is left out.
        facts: every corrected fact, of the case as a whole too.
    """
    fixed, end = _replaced(reasoning, [span for span in spans if span.is_thinking])
    fixed_answer, _ = _replaced(answer, [span for span in spans if not span.is_thinking])
    if target is None or verify(fixed_answer, options, target) is Verdict.AGREES:
        return fixed, fixed_answer
    sound = fixed[:end].rstrip() if end else " ".join(facts)
    stated = f"{target}. {options[target]}"
    return f"{sound}\n\nSo the answer is {stated}".strip(), f"The answer is {stated}"


def _replaced(text: str, spans: Sequence[CorrectedSpan]) -> tuple[str, int]:
    """`text` with the facts in place, and where the last of them ends; 0 when there is none."""
    made, position, end = "", 0, 0
    for span in sorted(spans, key=lambda each: (each.start, each.end)):
        # Of stretches that overlap the first counts.
        is_there = span.start >= position and text[span.start : span.end] == span.exact
        if not (is_there and span.fact):
            continue
        made += text[position : span.start]
        glue = "" if not made or made[-1].isspace() else " "
        made += (glue if not span.exact else "") + span.fact
        position, end = span.end, len(made)
    return made + text[position:], end
