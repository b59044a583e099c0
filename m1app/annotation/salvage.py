"""Reads the annotations of a damaged database one by one, past those that nothing can read."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from m1app.annotation.file_formats import ExportedAnnotation, imported
from storage.annotations.records import Annotation, AnnotationState
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.errors import DatabaseCorrupt, InvalidRecord, RecordNotFound

UNREADABLE = (DatabaseCorrupt, InvalidRecord, AttributeError, LookupError, TypeError, ValueError)
"""What reading damaged pages and damaged values raises; a locked or unreachable database raises something else."""


@dataclass(slots=True)
class Lost:
    """What an export has not been able to read so far."""

    annotations: int = 0
    """Drafts may be among them: nobody can tell."""
    histories: int = 0
    """Annotations that were read without their history."""
    has_unknown: bool = False
    """Whether there may be more annotations, because the list of all is damaged too."""

    def __bool__(self) -> bool:
        return bool(self.annotations or self.histories or self.has_unknown)


def salvage(database: Database, done: Container[str], lost: Lost) -> Iterator[ExportedAnnotation]:
    """Yield what can be read of the annotations that are not in `done`, except drafts; note the rest in `lost`.

    Raises:
        StorageError: the database is locked, unreachable or cannot be read for another reason than damage.
    """
    for annotation_id in _ids(database, lost):
        found = None if annotation_id in done else _read(database, annotation_id, lost)
        if found is not None and found.annotation.state is not AnnotationState.DRAFT:
            yield found


def _ids(database: Database, lost: Lost) -> list[str]:
    found: dict[str, None] = {}
    for is_descending in (False, True):
        try:
            with database.session(is_read_only=True) as session:
                for annotation_id in AnnotationRepository(session).readable_ids(is_descending=is_descending):
                    found[annotation_id] = None
            return list(found)
        except UNREADABLE:
            lost.has_unknown = True
    return list(found)


def _read(database: Database, annotation_id: str, lost: Lost) -> ExportedAnnotation | None:
    made: Annotation | None = None
    try:
        with database.session(is_read_only=True) as session:
            repository = AnnotationRepository(session)
            made = repository.get(annotation_id)
            return ExportedAnnotation(made, repository.histories([made.id])[made.id])
    except (*UNREADABLE, RecordNotFound):  # Not found: the index has it, but the table does not.
        if made is None:
            lost.annotations += 1
            return None
        lost.histories += made.state is not AnnotationState.DRAFT
        return ExportedAnnotation(made, (imported(made),))
