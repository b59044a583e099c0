"""Automatic suggestions to accept or reject: lost answers, thinking that concludes something else."""

from dataclasses import dataclass

from m1app.annotation.selectors import select
from m1app.question.answers.extraction import extract_answer
from m1app.targets import has_several
from storage.annotations.records import AnnotationContent, Case, Part


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested annotation."""

    key: str
    """Stable within a case."""
    label: str
    """Label id from the taxonomy."""
    reason: str
    """One sentence for users."""
    content: AnnotationContent
    """The content saved when it is accepted."""


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """The place in a case's thinking after which a right answer became a wrong one."""

    start: int
    """Start of the sentence that caused it, in code points."""
    end: int
    before_tokens: int
    """Thinking tokens of the last cut with a right answer."""
    after_tokens: int
    """Thinking tokens of the first cut with a wrong answer."""
    before: str
    """Letter."""
    after: str
    """Letter; empty if there was no answer any more."""


def suggest(case: Case, lost: LostAnswer | None) -> tuple[Suggestion, ...]:
    """Return suggestions for a case, if there are any.

    Args:
        case: the annotated case.
        lost: where the case's pass lost its right answer; None if it did not.
    """
    found = []
    if lost is not None and 0 <= lost.start < lost.end <= len(case.thinking_text):
        found.append(_overthinking_flip(case, lost))
    are_several = has_several(case.question.target)
    said = extract_answer(case.thinking_text, case.question.options, are_several=are_several)
    if said.letter and said.span and case.letter and said.letter != case.letter:
        found.append(_mismatch(case, said.letter, said.span))
    return tuple(found)


def _overthinking_flip(case: Case, lost: LostAnswer) -> Suggestion:
    reason = (
        f"After {lost.before_tokens:,} thinking tokens the answer was {lost.before}, which is right; "
        f"after {lost.after_tokens:,} it was {lost.after or 'gone'}."
    )
    content = AnnotationContent(
        part=Part.THINKING,
        selector=select(case.thinking_text, lost.start, lost.end),
        labels=("overthinking_flip",),
        severity="none",
        changed_answer=True,
    )
    return Suggestion(f"overthinking_flip:{lost.after_tokens}", "overthinking_flip", reason, content)


def _mismatch(case: Case, letter: str, span: tuple[int, int]) -> Suggestion:
    reason = f"The thinking concludes {letter}, the answer gives {case.letter}."
    content = AnnotationContent(
        part=Part.THINKING,
        selector=select(case.thinking_text, *span),
        labels=("trace_answer_mismatch",),
        severity="none",
    )
    return Suggestion(f"trace_answer_mismatch:{letter}", "trace_answer_mismatch", reason, content)
