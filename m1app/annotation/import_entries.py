"""What an import takes from a file: annotations that the app has exported, and spans from other programs."""

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar, Protocol

from m1app.annotation.errors import AnnotationRefused, ImportRefused
from m1app.annotation.file_reading import FileLine
from m1app.annotation.foreign_spans import ForeignSpan, place
from m1app.annotation.form_values import check_content, text_of
from m1app.annotation.labels import Taxonomy
from m1app.annotation.selectors import check
from storage.annotations.documents import as_document
from storage.annotations.records import (
    Annotation,
    AnnotationAction,
    AnnotationContent,
    AnnotationState,
    Case,
    Origin,
)
from storage.annotations.repository import AnnotationRepository


class Entry(Protocol):
    """One annotation to import."""

    @property
    def where(self) -> str:
        """Its location in the file, for messages."""

    @property
    def size_bytes(self) -> int:
        """Size in the file; 0 if the whole file is in memory anyway."""

    @property
    def id(self) -> str:
        """Id of the annotation."""

    @property
    def case_id(self) -> str:
        """Id of its case."""

    @property
    def annotator(self) -> str:
        """Who made it."""

    @property
    def digest(self) -> bytes:
        """Equal for the same content."""

    def is_same_as(self, existing: Annotation) -> bool:
        """Whether the annotation with this id in the database says the same."""

    def check(self, case: Case, taxonomy: Taxonomy) -> None:
        """Raise ImportRefused if it cannot be an annotation of its case."""

    def store(self, annotations: AnnotationRepository, case: Case, taxonomy: Taxonomy) -> None:
        """Store it."""


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """An annotation that the app has exported."""

    line: FileLine

    @property
    def where(self) -> str:
        """As "Line 7"."""
        return f"Line {self.line.number}"

    @property
    def size_bytes(self) -> int:
        """Size of the line or row."""
        return self.line.size_bytes

    @property
    def _made(self) -> Annotation:
        return self.line.exported.annotation

    @property
    def id(self) -> str:
        """Id of the annotation."""
        return self._made.id

    @property
    def case_id(self) -> str:
        """Id of its case."""
        return self._made.case_id

    @property
    def annotator(self) -> str:
        """Who made it."""
        return self._made.annotator

    @property
    def digest(self) -> bytes:
        """Hash of its content, without its history."""
        document = json.dumps(as_document(self._made), sort_keys=True)
        return hashlib.blake2b(document.encode(), digest_size=16).digest()

    def is_same_as(self, existing: Annotation) -> bool:
        """Compares everything but the history."""
        return as_document(existing) == as_document(self._made)

    def check(self, case: Case, taxonomy: Taxonomy) -> None:
        """Check everything that a form checks, and that it belongs to the case."""
        made = self._made
        if made.state is AnnotationState.DRAFT:
            raise ImportRefused(f"{self.where}, state: drafts are private and are not imported. Remove the line.")
        if (made.trace_id, made.checkpoint_id) != (case.trace_id, case.checkpoint_id):
            raise ImportRefused(
                f"{self.where}: trace_id and checkpoint_id are not those of case {case.id}. Export again."
            )
        try:
            # Marks may keep retired labels, but not unknown ones.
            check_content(case, made, taxonomy, [label.id for label in taxonomy.labels])
        except AnnotationRefused as exc:
            raise ImportRefused(f"{self.where}, {exc.field}: {exc}") from exc
        if made.selector is not None and check(text_of(case, made.part), made.selector) != made.selector:
            raise ImportRefused(f"{self.where}, span: prefix and suffix are not the text around it. Export again.")

    def store(self, annotations: AnnotationRepository, case: Case, taxonomy: Taxonomy) -> None:
        """Store it unchanged, with its history."""
        annotations.restore(self._made, case, self.line.exported.history)


@dataclass(frozen=True, slots=True)
class SpanEntry:
    """A span from another program; its id is made of all it says."""

    span: ForeignSpan
    size_bytes: ClassVar[int] = 0

    @property
    def where(self) -> str:
        """As "Task 7"."""
        return self.span.where

    @property
    def id(self) -> str:
        """Id of the annotation."""
        return self.span.id

    @property
    def case_id(self) -> str:
        """Id of its case."""
        return self.span.case_id

    @property
    def annotator(self) -> str:
        """Who made it."""
        return self.span.annotator

    @property
    def digest(self) -> bytes:
        """Nothing more than the id."""
        return b""

    def is_same_as(self, existing: Annotation) -> bool:
        """Is always the same: somebody may have worked on it since."""
        return True

    def check(self, case: Case, taxonomy: Taxonomy) -> None:
        """Find the span in the case, and check its labels."""
        try:
            check_content(case, self._content(case), taxonomy)
        except AnnotationRefused as exc:
            raise ImportRefused(f"{self.where}, {exc.field}: {exc}") from exc

    def store(self, annotations: AnnotationRepository, case: Case, taxonomy: Taxonomy) -> None:
        """Store it as a submitted annotation."""
        who = self.span.annotator
        made = annotations.add(
            case, who, self._content(case), Origin.IMPORT, taxonomy.version, annotation_id=self.span.id
        )
        annotations.change(made, who, AnnotationAction.IMPORTED, state=AnnotationState.SUBMITTED)

    def _content(self, case: Case) -> AnnotationContent:
        span = self.span
        return AnnotationContent(part=span.part, selector=place(span, case), labels=span.labels, severity="none")
