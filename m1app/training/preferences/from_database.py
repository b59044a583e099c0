"""Preference pairs from the app's database: passes of one question, corrections, decided disputes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from m1app.training.corrections import CorrectedSpan, correct, insert_facts
from m1app.training.preferences.pairs import PairSource, PreferencePair, Response
from storage.annotations.cases import CaseRepository
from storage.annotations.contrasts import Contrast, contrasts
from storage.annotations.records import Annotation, AnnotationState, Case, Part
from storage.annotations.repository import AnnotationRepository
from storage.database import Session
from storage.errors import RecordNotFound

_PAGE_CASES = 100


@dataclass(slots=True)
class FoundPairs:
    """The pairs of one source."""

    pairs: list[PreferencePair] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """What is no pair, in words, with the number of times."""

    def left_out_words(self) -> str:
        """In one line; empty if there is nothing."""
        return "; ".join(f"{what} ({count:,})" for what, count in sorted(self.left_out.items()))


def read_pairs(session: Session, source: PairSource, most_of_question: int) -> FoundPairs:
    """Return the pairs of a source.

    Args:
        session: a database session.
        source: what says which response is better.
        most_of_question: of passes, the most pairs of a question and model. A pass is in one pair only.
    """
    return _READERS[source](session, most_of_question)


def _of_passes(session: Session, most_of_question: int) -> FoundPairs:
    cases, found = _Cases(session), FoundPairs()
    # What was corrected is nothing to learn, even where it ends with the right letter.
    corrected = set(_corrected_ids(session))
    for contrast in contrasts(session):
        if not contrast.is_mixed:
            found.left_out["a model answered a question only right, or only wrong"] += 1
            continue
        contrast.right = [each for each in contrast.right if each not in corrected]
        found.pairs += _of_contrast(contrast, cases, most_of_question)
        if not contrast.right:
            found.left_out["every right answer of a model to a question has a corrected error"] += 1
    return found


def _of_contrast(contrast: Contrast, cases: "_Cases", most: int) -> list[PreferencePair]:
    right, wrong = (filter(None, map(cases.get, ids)) for ids in (contrast.right, contrast.wrong))
    # The cuts of a pass often close with the same text.
    pairs = zip(_distinct(right), _distinct(wrong), range(most), strict=False)
    return [_pair(first, _said(first), _said(second), PairSource.PASSES) for first, second, _ in pairs]


def _of_corrections(session: Session, _: int) -> FoundPairs:
    cases, found = _Cases(session), FoundPairs()
    for case_id in _corrected_ids(session):
        if case := _case_for(case_id, cases, found):
            after = _corrected(case, cases.corrections(case_id))
            found.pairs.append(_pair(case, after, _said(case), PairSource.CORRECTIONS))
    return found


def _corrected_ids(session: Session) -> Iterator[str]:
    annotations, last = AnnotationRepository(session), ""
    while ids := annotations.corrected_cases_after(last, _PAGE_CASES):
        yield from ids
        last = ids[-1]


def _of_disputes(session: Session, _: int) -> FoundPairs:
    cases, found = _Cases(session), FoundPairs()
    for case_id, disputed in groupby(AnnotationRepository(session).disputes(), lambda each: each.case_id):
        if case := _case_for(case_id, cases, found):
            standing = cases.corrections(case_id)
            found.pairs += _of_dispute(case, standing, list(disputed), found)
    return found


def _of_dispute(
    case: Case, standing: Sequence[Annotation], disputed: Sequence[Annotation], found: FoundPairs
) -> Iterator[PreferencePair]:
    """An upheld correction is better than the text without it; a rejected one is worse."""
    after = _corrected(case, standing) if standing else _said(case)
    if any(each.is_upheld for each in disputed):
        yield _pair(case, after, _said(case), PairSource.DISPUTES)
    for each in disputed:
        if each.state is AnnotationState.DISPUTED or each.is_upheld is None:
            found.left_out["a dispute is not decided yet"] += 1
        elif not each.is_upheld:
            spans = [_span(mark) for mark in (*standing, each)]
            worse = Response(*insert_facts(case.thinking_text, case.answer_text, spans))
            yield _pair(case, after, worse, PairSource.DISPUTES)


_READERS: Mapping[PairSource, Callable[[Session, int], FoundPairs]] = {
    PairSource.CORRECTIONS: _of_corrections,
    PairSource.DISPUTES: _of_disputes,
    PairSource.PASSES: _of_passes,
}


class _Cases:
    """Cases with their standing corrections."""

    def __init__(self, session: Session) -> None:
        self._cases = CaseRepository(session)
        self._annotations = AnnotationRepository(session)

    def get(self, case_id: str) -> Case | None:
        """The case; None if it was deleted."""
        try:
            return self._cases.get(case_id)
        except RecordNotFound:
            return None

    def corrections(self, case_id: str) -> tuple[Annotation, ...]:
        return self._annotations.corrections(case_id)


def _case_for(case_id: str, cases: _Cases, found: FoundPairs) -> Case | None:
    """The case of a correction; None, and noted, if it is nothing to compare with."""
    case = cases.get(case_id)
    if case is None:
        found.left_out["a corrected case was deleted"] += 1
        return None
    if case.edits:
        found.left_out["a person wrote a part of the thinking"] += 1
        return None
    return case


def _distinct(cases: Iterator[Case]) -> Iterator[Case]:
    seen: set[tuple[str, str]] = set()
    for case in cases:
        said = (case.thinking_text.strip(), case.answer_text.strip())
        if said not in seen:
            seen.add(said)
            yield case


def _said(case: Case) -> Response:
    return Response(case.thinking_text, case.answer_text)


def _corrected(case: Case, corrections: Sequence[Annotation]) -> Response:
    question = case.question
    facts = list(dict.fromkeys(each.corrected_fact for each in corrections))
    spans = [_span(each) for each in corrections]
    said = (case.thinking_text, case.answer_text)
    return Response(*correct(*said, question.options, question.target, spans, facts, question.stem))


def _span(mark: Annotation) -> CorrectedSpan:
    place = mark.selector
    start, end, exact = (place.start, place.end, place.exact) if place else (-1, -1, "")
    return CorrectedSpan(mark.part is Part.THINKING, start, end, exact, mark.corrected_fact)


def _pair(case: Case, chosen: Response, rejected: Response, source: PairSource) -> PreferencePair:
    question = case.question
    domain = question.tags[0] if question.tags else ""
    return PreferencePair(
        question.stem, dict(question.options), question.target, chosen, rejected, question.id, source, domain
    )
