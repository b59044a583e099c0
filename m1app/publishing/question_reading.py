"""Reads questions of runs with all that they came to, some at a time, in one transaction each."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from m1app.privacy.identifiers import IdentifierKind, count_kinds
from m1app.privacy.service import IdentifierCheck
from m1app.publishing.errors import PublishRefused
from m1app.publishing.question_document import (
    Answered,
    Marks,
    answered_document,
    question_texts,
    strategy_documents,
)
from m1app.publishing.question_files import QuestionData
from m1app.publishing.site_plan import Entry, SitePlan
from m1app.publishing.verdicts import verdict_code
from m1app.runs.sweep_reading import PassSnapshot
from storage.annotations.records import Annotation
from storage.annotations.repository import AnnotationRepository
from storage.benchmarks.items import items_of, results_of_items, strategies_of_items
from storage.benchmarks.results import CellKey
from storage.database import Session
from storage.errors import RecordNotFound
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository
from storage.sweeps.repository import SweepRepository


@dataclass(slots=True)
class Findings:
    """What may identify a person in the texts of sets that people here have made, by set."""

    by_set: dict[str, dict[IdentifierKind, int]] = field(default_factory=dict)

    def add(self, name: str, counts: Mapping[IdentifierKind, int]) -> None:
        """Count what was found in one question."""
        of_set = self.by_set.setdefault(name, {})
        for kind, count in counts.items():
            of_set[kind] = of_set.get(kind, 0) + count


class QuestionReader:
    """Reads what is published of questions."""

    def __init__(self, plan: SitePlan, marks: Marks, identifiers: IdentifierCheck) -> None:
        self._plan = plan
        self._marks = marks
        self._identifiers = identifiers
        self.findings = Findings()

    def read(self, session: Session, entries: Sequence[Entry]) -> list[QuestionData]:
        """Read some questions, in order.

        Raises:
            PublishRefused: identifiers are blocked, and a text that would be published has one.
        """
        item_ids = [item_id for entry in entries for item_id in entry.items.values()]
        items, results = items_of(session, item_ids), results_of_items(session, item_ids)
        strategies = strategies_of_items(session, item_ids)
        passes = {item_id: _passes(session, item_id) for item_id in item_ids}
        marks = replace(self._marks, by_trace=self._marks_of(session, passes.values()))
        made = []
        for entry in entries:
            answered = [
                Answered(
                    source=source,
                    item=items[item_id],
                    results=results.get(item_id, ()),
                    passes=passes[item_id],
                    strategies=strategies.get(item_id, ()),
                )
                for source, item_id in sorted(entry.items.items())
                if item_id in items
            ]
            made.append(self._data(entry, QuestionRepository(session).get(entry.question_id), answered, marks))
        return made

    def _data(self, entry: Entry, question: Question, answered: Sequence[Answered], marks: Marks) -> QuestionData:
        terms = self._plan.terms(entry)
        texts = (question.stem, *question.options.values()) if terms.has_texts else ()
        if terms.is_own and texts:
            self._check(terms.name, entry.place, (*texts, question.reference or "", *question.tags))
        passes = [each for found in answered for each in answered_document(found, marks, has_texts=terms.has_texts)]
        document = question_texts(question, has_texts=terms.has_texts) | {
            "set": entry.set_number,
            "place": entry.place,
            "passes": passes,
            "strategies": [each for found in answered for each in strategy_documents(found, has_texts=terms.has_texts)],
        }
        return QuestionData(
            entry=entry,
            document=document,
            words=(*texts, *(question.tags if terms.has_texts else ()), question.id),
            codes=_codes(answered),
            marks=sum(len(each.get("marks", ())) for each in passes),
        )

    def _check(self, name: str, place: int, texts: Sequence[str]) -> None:
        if self._identifiers.blocked(texts):
            raise PublishRefused(
                f"Question {place:,} of {name} may identify a person, and M1_IDENTIFIERS blocks such texts. "
                f"Leave out --include-texts {name!r}, or remove the question from the set."
            )
        if counts := count_kinds(self._identifiers.findings(texts)):
            self.findings.add(name, counts)

    def _marks_of(self, session: Session, passes: Collection[Sequence[PassSnapshot]]) -> dict[str, list[Annotation]]:
        if not self._marks.letters:
            return {}
        trace_ids = [each.trace.id for of_item in passes for each in of_item]
        found: dict[str, list[Annotation]] = {}
        for mark in AnnotationRepository(session).counted_of(trace_ids, list(self._marks.letters)):
            found.setdefault(mark.trace_id, []).append(mark)
        return found


def _passes(session: Session, item_id: str) -> tuple[PassSnapshot, ...]:
    """An item's passes; none if it has not started or they were erased."""
    with suppress(RecordNotFound):
        kept = SweepRepository(session).get(item_id)
        return tuple(PassSnapshot(each.trace, each.checkpoints) for each in kept.passes)
    return ()


def _codes(answered: Sequence[Answered]) -> dict[tuple[int, CellKey], str]:
    return {
        (found.source, (each.budget_tokens, each.force_rounds)): verdict_code(found.item, each)
        for found in answered
        for each in found.results
        if each.pass_number == 0
    }
