"""Names under which people annotated, and moving the work of one name to another."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, union, update
from sqlalchemy.orm import Session

from storage.annotations.tables import AnnotationRevisionRow, AnnotationRow, AssessmentRow

_BATCH = 500


@dataclass(frozen=True, slots=True)
class NamedWork:
    """How much was done under one name."""

    name: str
    cases: int
    """Cases that the name has worked on; 0 if it has only reviewed others' marks."""
    annotations: int


@dataclass(frozen=True, slots=True)
class MovedWork:
    """How much was moved to another name."""

    cases: int
    annotations: int
    revisions: int


class NameRepository:
    """The names in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> tuple[NamedWork, ...]:
        """Every name with its work, sorted."""
        cases = self._counts(AssessmentRow.annotator)
        annotations = self._counts(AnnotationRow.annotator)
        reviewers = self._session.scalars(select(AnnotationRevisionRow.made_by).distinct())
        names = sorted({*cases, *annotations, *reviewers})
        return tuple(NamedWork(name, cases.get(name, 0), annotations.get(name, 0)) for name in names)

    def shared_cases(self, one: str, other: str) -> tuple[str, ...]:
        """Ids of the cases that both names have worked on, sorted."""
        return tuple(sorted(self._cases(one) & self._cases(other)))

    def has_work(self, case_id: str, name: str) -> bool:
        """Whether the name has done more with the case than to open its form."""
        kept = self._session.get(AssessmentRow, (case_id, name))
        is_begun = kept is not None and bool(kept.is_submitted or kept.draft or kept.rejected)
        marked = select(AnnotationRow.id).where(AnnotationRow.case_id == case_id, AnnotationRow.annotator == name)
        return is_begun or self._session.scalar(marked.limit(1)) is not None

    def rename(self, old: str, new: str) -> MovedWork:
        """Move all work from one name to another, which must have no work on the same cases.

        The time that `new` spent on these cases is added to that of `old`.
        """
        for case_id in self.shared_cases(old, new):
            self._absorb(case_id, old, new)
        touched = self._touched(old)
        moved = MovedWork(
            cases=self._rename(AssessmentRow, AssessmentRow.annotator, old, new),
            annotations=self._rename(AnnotationRow, AnnotationRow.annotator, old, new),
            revisions=self._rename(AnnotationRevisionRow, AnnotationRevisionRow.made_by, old, new),
        )
        self._rename_within(touched, old, new)
        return moved

    def _counts(self, column: Any) -> Mapping[str, int]:
        return {row[0]: row[1] for row in self._session.execute(select(column, func.count()).group_by(column))}

    def _cases(self, name: str) -> set[str]:
        begun = select(AssessmentRow.case_id).where(AssessmentRow.annotator == name)
        marked = select(AnnotationRow.case_id).where(AnnotationRow.annotator == name)
        return set(self._session.scalars(union(begun, marked)))

    def _absorb(self, case_id: str, old: str, new: str) -> None:
        empty = self._session.get(AssessmentRow, (case_id, new))
        kept = self._session.get(AssessmentRow, (case_id, old))
        if empty is None or kept is None:
            return
        which = (AssessmentRow.case_id == case_id) & (AssessmentRow.annotator == old)
        more = kept.seconds_spent + empty.seconds_spent
        self._session.execute(update(AssessmentRow).where(which).values(seconds_spent=more))
        which = (AssessmentRow.case_id == case_id) & (AssessmentRow.annotator == new)
        self._session.execute(delete(AssessmentRow).where(which))
        self._session.expire_all()

    def _touched(self, name: str) -> Collection[str]:
        """Ids of the annotations whose fields or history mention the name."""
        own = select(AnnotationRow.id).where(AnnotationRow.annotator == name)
        changed = select(AnnotationRevisionRow.annotation_id).where(AnnotationRevisionRow.made_by == name)
        agreements = self._session.execute(select(AnnotationRow.id, AnnotationRow.agreed_by))
        agreed = {annotation_id for annotation_id, names in agreements if name in names}
        return {*self._session.scalars(union(own, changed)), *agreed}

    def _rename(self, row: Any, column: Any, old: str, new: str) -> int:
        count = self._session.scalar(select(func.count()).select_from(row).where(column == old)) or 0
        changed = update(row).where(column == old).values({column.key: new})
        self._session.execute(changed.execution_options(synchronize_session=False))
        self._session.expire_all()
        return count

    def _rename_within(self, annotation_ids: Collection[str], old: str, new: str) -> None:
        """Rename in the lists of those who agreed, and in the states that the history keeps."""
        ids = sorted(annotation_ids)
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            found = self._session.execute(
                select(AnnotationRow.id, AnnotationRow.agreed_by).where(AnnotationRow.id.in_(batch))
            )
            agreed = [
                {"id": annotation_id, "agreed_by": _renamed(names, old, new)}
                for annotation_id, names in found
                if old in names
            ]
            if agreed:
                self._session.execute(update(AnnotationRow), agreed)
            self._rename_in_history(batch, old, new)
        self._session.expire_all()

    def _rename_in_history(self, annotation_ids: Sequence[str], old: str, new: str) -> None:
        row = AnnotationRevisionRow
        found = self._session.execute(
            select(row.annotation_id, row.revision, row.document).where(row.annotation_id.in_(annotation_ids))
        )
        changed = [
            {"annotation_id": annotation_id, "revision": revision, "document": _renamed_document(document, old, new)}
            for annotation_id, revision, document in found
        ]
        if changed:
            self._session.execute(update(row), changed)


def _renamed(names: Sequence[str], old: str, new: str) -> tuple[str, ...]:
    return tuple(sorted({new if name == old else name for name in names}))


def _renamed_document(document: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    annotator = document.get("annotator")
    return {
        **document,
        "annotator": new if annotator == old else annotator,
        "agreed_by": list(_renamed(document.get("agreed_by", ()), old, new)),
    }
