"""What the app sees by itself, for a person to accept or reject: lost answers, thinking that concludes otherwise."""

from dataclasses import dataclass

from m1app.annotation.selectors import select
from m1app.question.answer_extraction import extract_answer
from storage.annotations.records import AnnotationContent, Case, Part


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An annotation that nobody has made yet."""

    key: str
    """Stable within its case."""
    label: str
    """Id of the taxonomy."""
    reason: str
    """One sentence for people."""
    content: AnnotationContent
    """What accepting it keeps."""


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """The place in a case's thinking after which a right answer became a wrong one."""

    start: int
    """Of the sentence that did it, in code points."""
    end: int
    before_tokens: int
    """Thinking tokens of the last cut that was answered right."""
    after_tokens: int
    """Of the first one that was answered wrong."""
    before: str
    """Letter."""
    after: str
    """Letter; empty when there was no answer any more."""


def suggest(case: Case, lost: LostAnswer | None) -> tuple[Suggestion, ...]:
    """Suggestions for a case, where there is a reason for one.

    Args:
        case: what is annotated.
        lost: where the pass of the case lost its right answer; None when it did not.
    """
    found = []
    if lost is not None and 0 <= lost.start < lost.end <= len(case.thinking_text):
        found.append(_overthinking_flip(case, lost))
    said = extract_answer(case.thinking_text, case.question.options)
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
