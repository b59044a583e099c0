"""Exports all annotations, and imports files, all or nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from m1app.annotation.errors import AnnotationRefused, ImportRefused
from m1app.annotation.file_formats import (
    ExportedAnnotation,
    check_import,
    corrected_examples,
    csv_text,
    jsonl_lines,
    read_csv,
    read_jsonl,
)
from m1app.annotation.foreign_spans import ForeignSpan, place, read_argilla, read_label_studio
from m1app.annotation.form_values import check_content
from m1app.annotation.labels import Taxonomy
from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.documents import as_document
from storage.annotations.records import AnnotationAction, AnnotationContent, AnnotationState, Case, Origin
from storage.annotations.repository import AnnotationRepository
from storage.database import Database, Session
from storage.errors import RecordNotFound


class ExportFormat(StrEnum):
    """Kind of export."""

    JSONL = "jsonl"
    """W3C annotations with their history; can be imported."""
    CSV = "csv"
    CORRECTED = "corrected"
    """Corrected examples for fine-tuning."""


class ImportFormat(StrEnum):
    """Kind of file to import."""

    JSONL = "jsonl"
    CSV = "csv"
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import."""

    added: int
    unchanged: int
    """Already present and identical."""


class AnnotationExchange:
    """Annotations of the database as files. Every method raises `storage.errors.StorageError`."""

    def __init__(self, database: Database, taxonomy: Taxonomy) -> None:
        self._database = database
        self._taxonomy = taxonomy

    async def export(self, wanted: ExportFormat) -> str:
        """Export all annotations except drafts, which are private, as one text."""
        return await asyncio.to_thread(self._export, wanted)

    async def restore(self, text: str, given: ImportFormat) -> ImportReport:
        """Import a file, all or nothing.

        Raises:
            ImportRefused: something in it cannot be imported; the message names the line, task or record.
        """
        return await asyncio.to_thread(self._import, text, given)

    def _export(self, wanted: ExportFormat) -> str:
        with self._database.session(is_read_only=True) as session:
            repository = AnnotationRepository(session)
            annotations = repository.submitted()
            if wanted is ExportFormat.CSV:
                return csv_text(annotations)
            if wanted is ExportFormat.JSONL:
                histories = repository.histories()
                return "".join(jsonl_lines(ExportedAnnotation(a, histories.get(a.id, ())) for a in annotations))
            read = CaseRepository(session)
            cases = {a.case_id: read.get(a.case_id) for a in annotations if a.corrected_fact}
            return "".join(corrected_examples(cases, annotations))

    def _import(self, text: str, given: ImportFormat) -> ImportReport:
        # Parsed before the transaction, so that a bad line takes no lock.
        if given in (ImportFormat.JSONL, ImportFormat.CSV):
            exported = read_jsonl(text) if given is ImportFormat.JSONL else read_csv(text)
            with self._database.session() as session:
                return self._restore(session, exported)
        spans = read_label_studio(text) if given is ImportFormat.LABEL_STUDIO else read_argilla(text)
        with self._database.session() as session:
            return self._add_spans(session, spans)

    def _restore(self, session: Session, exported: Sequence[tuple[int, ExportedAnnotation]]) -> ImportReport:
        annotations, assessments = AnnotationRepository(session), AssessmentRepository(session)
        taken = annotations.exists([each.annotation.id for _, each in exported])
        cases: dict[str, Case] = {}
        added = 0
        for number, each in exported:
            made = each.annotation
            if made.id in taken:
                if as_document(annotations.get(made.id)) != as_document(made):
                    raise ImportRefused(
                        f"Line {number}: annotation {made.id} already exists with different content. "
                        "Nothing was imported; remove the line to keep the existing one."
                    )
                continue
            case = _case(session, cases, made.case_id, f"Line {number}")
            check_import(number, made, case, self._taxonomy)
            annotations.restore(made, case, each.history)
            taken.add(made.id)
            added += 1
            assessments.save(case, made.annotator, is_submitted=True)
        return ImportReport(added, len(exported) - added)

    def _add_spans(self, session: Session, spans: Sequence[ForeignSpan]) -> ImportReport:
        annotations, assessments = AnnotationRepository(session), AssessmentRepository(session)
        cases: dict[str, Case] = {}
        taken = annotations.exists([span.id for span in spans])
        there = len(taken)
        for span in spans:
            case = _case(session, cases, span.case_id, span.where)
            content = AnnotationContent(part=span.part, selector=place(span, case), labels=span.labels, severity="none")
            try:
                check_content(case, content, self._taxonomy)
            except AnnotationRefused as exc:
                raise ImportRefused(f"{span.where}, {exc.field}: {exc}") from exc
            if span.id in taken:
                continue
            taken.add(span.id)
            made = annotations.add(
                case, span.annotator, content, Origin.IMPORT, self._taxonomy.version, annotation_id=span.id
            )
            annotations.change(made, span.annotator, AnnotationAction.IMPORTED, state=AnnotationState.SUBMITTED)
            assessments.save(case, span.annotator, is_submitted=True)
        return ImportReport(len(taken) - there, len(spans) - len(taken) + there)


def _case(session: Session, cases: dict[str, Case], case_id: str, where: str) -> Case:
    if case_id not in cases:
        try:
            cases[case_id] = CaseRepository(session).get(case_id)
        except RecordNotFound as exc:
            raise ImportRefused(f"{where}: {exc} Nothing was imported.") from exc
    return cases[case_id]
