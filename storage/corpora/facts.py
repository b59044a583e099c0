"""Corrected facts of annotations as passages, kept in step with what annotators have submitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.annotations.repository import IS_CORRECTION
from storage.annotations.tables import AnnotationRow
from storage.corpora.records import NewPassage, passage_id
from storage.corpora.repository import CorpusRepository, delete_unused_passages
from storage.corpora.tables import FactPassageRow
from storage.questions.tables import QuestionRow
from storage.traces.tables import TraceRow

_BATCH = 500


@dataclass(frozen=True, slots=True)
class FactChanges:
    """Annotations whose passages are not as they must be."""

    missing: tuple[str, ...]
    """Their facts have no passage, or one of an earlier revision."""
    stale: tuple[str, ...]
    """They have a passage, and must have none or another one."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale)


@dataclass(frozen=True, slots=True)
class WrittenFact:
    """A corrected fact with the question on which it was written."""

    annotation_id: str
    text: str
    stem: str


class FactRepository:
    """Corrected facts in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def changes(self) -> FactChanges:
        """What `bring_up_to_date` would change; reads one index and one table of short rows."""
        made = dict(self._revisions(select(AnnotationRow.id, AnnotationRow.revision).where(IS_CORRECTION)))
        kept = dict(self._revisions(select(FactPassageRow.annotation_id, FactPassageRow.revision)))
        return FactChanges(
            tuple(each for each, revision in made.items() if kept.get(each) != revision),
            tuple(each for each, revision in kept.items() if made.get(each) != revision),
        )

    def bring_up_to_date(self) -> int:
        """Make passages of submitted corrected facts, and remove those of others; return how many there are to find."""
        changes = self.changes()
        forget_facts(self._session, changes.stale)
        for begin in range(0, len(changes.missing), _BATCH):
            self._add(changes.missing[begin : begin + _BATCH])
        return len(changes.missing)

    def count(self) -> int:
        """Number of annotations whose fact can be found."""
        return len(self._revisions(select(AnnotationRow.id, AnnotationRow.revision).where(IS_CORRECTION)))

    def asked(self) -> Mapping[str, str]:
        """The questions on which the facts were written: stem by id."""
        asked = select(FactPassageRow.question_id).distinct()
        rows = self._session.execute(select(QuestionRow.id, QuestionRow.stem).where(QuestionRow.id.in_(asked)))
        return {row.id: row.stem for row in rows}

    def written(self) -> tuple[WrittenFact, ...]:
        """All facts that can be found, by the id of their annotation."""
        rows = self._session.execute(
            select(AnnotationRow.id, AnnotationRow.corrected_fact, QuestionRow.stem)
            .join(TraceRow, TraceRow.id == AnnotationRow.trace_id)
            .join(QuestionRow, QuestionRow.id == TraceRow.question_id)
            .where(IS_CORRECTION)
            .order_by(AnnotationRow.id)
        )
        return tuple(WrittenFact(row.id, row.corrected_fact, row.stem) for row in rows)

    def _revisions(self, query: object) -> list[tuple[str, int]]:
        return [(row[0], row[1]) for row in self._session.execute(query)]  # type: ignore[call-overload]

    def _add(self, ids: Sequence[str]) -> None:
        found = self._session.execute(
            select(AnnotationRow.id, AnnotationRow.revision, AnnotationRow.corrected_fact, TraceRow.question_id)
            .join(TraceRow, TraceRow.id == AnnotationRow.trace_id)
            .where(AnnotationRow.id.in_(ids))
        ).all()
        given = {passage_id("", each.corrected_fact): NewPassage(text=each.corrected_fact) for each in found}
        numbers = CorpusRepository(self._session).numbers_of(given)
        self._session.add_all(
            FactPassageRow(
                annotation_id=each.id,
                revision=each.revision,
                question_id=each.question_id,
                passage_number=numbers[passage_id("", each.corrected_fact)],
            )
            for each in found
        )
        self._session.flush()


def forget_facts(session: Session, annotation_ids: Sequence[str]) -> None:
    """Remove the passages of annotations, unless something else has them too."""
    row = FactPassageRow
    for begin in range(0, len(annotation_ids), _BATCH):
        some = row.annotation_id.in_(annotation_ids[begin : begin + _BATCH])
        numbers = session.scalars(select(row.passage_number).where(some)).all()
        session.execute(delete(row).where(some).execution_options(synchronize_session=False))
        delete_unused_passages(session, numbers)
