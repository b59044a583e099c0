"""Annotation: the queue of cases, marks and their reviews; double blind, never overwriting.

Whoever has an account annotates under its name; without accounts annotators give a name themselves. They see others'
marks on a case only after submitting their own assessment of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from m1app.access.audit import record, suppress_unwritten
from m1app.access.person import Permission, current_person, needs
from m1app.annotation.agreement import AgreementReport
from m1app.annotation.cases import CaseView, readable_by, view_of
from m1app.annotation.change_rules import (
    annotator_name,
    changed,
    check_claim,
    check_reopening,
    own_annotation,
    reader_name,
    reason_given,
    require_revision,
    reviewable,
)
from m1app.annotation.errors import AnnotationRefused
from m1app.annotation.form_values import MAX_CASE_ANNOTATIONS, check_content
from m1app.annotation.labels import Taxonomy
from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.documents import CONTENT_FIELDS
from storage.annotations.names import MovedWork, NamedWork, NameRepository
from storage.annotations.queue import QueueRepository
from storage.annotations.records import (
    Annotation,
    AnnotationAction,
    AnnotationContent,
    AnnotationRevision,
    AnnotationState,
    CaseFilter,
    CasePage,
    CaseSummary,
    ErrorCount,
    MarkCount,
    Origin,
    Rating,
)
from storage.annotations.repository import AnnotationRepository
from storage.database import Database, Session
from storage.people.accounts import AccountRepository
from storage.question_sets.repository import QuestionSetRepository


class AnnotationService:
    """Manages annotations. Every method may raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, taxonomy: Taxonomy) -> None:
        self._database = database
        self.taxonomy = taxonomy

    @needs(Permission.READ)
    async def queue(self, wanted: CaseFilter, annotator: str, limit: int = 50, cursor: str | None = None) -> CasePage:
        """Cases to work through, in groups; their order is part of the filter."""
        name, seen_by = reader_name(annotator), readable_by(current_person())
        return await self._database.read(lambda s: QueueRepository(s, wanted, seen_by).page(name, limit, cursor))

    @needs(Permission.READ)
    async def group(self, wanted: CaseFilter, key: str, annotator: str) -> tuple[CaseSummary, ...]:
        """The matching cases of a group of the queue, by pass and cut."""
        name, seen_by = reader_name(annotator), readable_by(current_person())
        return await self._database.read(lambda s: QueueRepository(s, wanted, seen_by).cases(key, name))

    @needs(Permission.READ)
    async def neighbours(self, wanted: CaseFilter, case_id: str) -> tuple[str | None, str | None]:
        """Ids of the previous and next case in the queue; None at its ends."""
        seen_by = readable_by(current_person())
        return await self._database.read(lambda s: QueueRepository(s, wanted, seen_by).neighbours(case_id))

    @needs(Permission.READ)
    async def next_to_assess(self, wanted: CaseFilter, case_id: str, annotator: str) -> str | None:
        """Id of the case to work on after this one: the next in the queue that the annotator has not submitted.

        At the end of the queue it is the first one left; None if none is.
        """
        name, seen_by = reader_name(annotator), readable_by(current_person())
        left = replace(wanted, not_assessed_by=name)

        def read(session: Session) -> str | None:
            queue = QueueRepository(session, left, seen_by)
            return queue.neighbours(case_id)[1] or queue.first()

        return await self._database.read(read)

    @needs(Permission.READ)
    async def open(self, case_id: str, annotator: str) -> CaseView:
        """Return a case as visible to the annotator; an empty name sees no annotations.

        Raises:
            RecordNotFound: no such case, or its trace is still running.
        """
        view = await self._database.read(lambda s: view_of(s, CaseRepository(s).get(case_id), reader_name(annotator)))
        if view.others and view.assessment is not None and not view.assessment.has_seen_others:
            with suppress_unwritten("that others' marks were shown"):
                await self._database.write(
                    lambda s: AssessmentRepository(s).save(view.case, view.annotator, has_seen_others=True)
                )
        return view

    @needs(Permission.READ)
    async def evaluated_in(self, case_id: str) -> tuple[str, ...]:
        """Names of the question sets that have a case's question: a correction of it is left out of training data."""

        def read(session: Session) -> tuple[str, ...]:
            return QuestionSetRepository(session).names_with(CaseRepository(session).get(case_id).question.id)

        return await self._database.read(read)

    @needs(Permission.ANNOTATE)
    async def save(
        self,
        case_id: str,
        annotator: str,
        content: AnnotationContent,
        *,
        annotation_id: str = "",
        revision: int = 0,
        suggestion_key: str = "",
    ) -> Annotation:
        """Save an annotation.

        Args:
            case_id: the annotated case.
            annotator: the author.
            content: the content, from `form_values.content_from_form`.
            annotation_id: the annotation to change; empty creates one.
            revision: the revision being edited.
            suggestion_key: the accepted suggestion, if any.

        Raises:
            AnnotationRefused: it is invalid.
            AnnotationConflict: it was changed since that revision.
            RecordNotFound: no such case.
        """
        name = annotator_name(annotator)

        def store(session: Session) -> Annotation:
            case = CaseRepository(session).get(case_id)
            annotations = AnnotationRepository(session)
            if annotation_id:
                seen = own_annotation(annotations, annotation_id, name, case.id)
                check_content(case, content, self.taxonomy, seen.labels)
                require_revision(annotations, seen, revision)
                values = {field: getattr(content, field) for field in CONTENT_FIELDS}
                return changed(session, seen, name, AnnotationAction.EDITED, **values)
            check_content(case, content, self.taxonomy)
            assessments = AssessmentRepository(session)
            kept = assessments.get(case.id, name)
            if annotations.count(case.id) >= MAX_CASE_ANNOTATIONS:
                raise AnnotationRefused("case", f"A case can have at most {MAX_CASE_ANNOTATIONS:,} annotations.")
            origin = Origin.SUGGESTION if suggestion_key else Origin.PERSON
            made = annotations.add(case, name, content, origin, self.taxonomy.version)
            record(session, "annotation.created", made.id)
            if kept is None or suggestion_key:
                # An accepted suggestion is not offered again, like a rejected one.
                assessments.save(case, name, rejected=suggestion_key)
            if kept is not None and kept.is_submitted:
                return changed(session, made, name, AnnotationAction.SUBMITTED, state=AnnotationState.SUBMITTED)
            return made

        return await self._database.write(store)

    @needs(Permission.ANNOTATE)
    async def withdraw(self, annotation_id: str, annotator: str, revision: int) -> Annotation:
        """Withdraw an annotation; it stays in the history.

        Raises:
            AnnotationRefused: it belongs to another annotator.
            AnnotationConflict: it was changed since that revision.
            RecordNotFound: no such annotation.
        """
        name = annotator_name(annotator)

        def store(session: Session) -> Annotation:
            annotations = AnnotationRepository(session)
            seen = own_annotation(annotations, annotation_id, name)
            require_revision(annotations, seen, revision)
            return changed(session, seen, name, AnnotationAction.WITHDRAWN, state=AnnotationState.WITHDRAWN)

        return await self._database.write(store)

    @needs(Permission.ANNOTATE)
    async def submit(self, case_id: str, annotator: str) -> None:
        """Submit one's work on a case, with or without annotations; others' marks are shown from then on.

        Raises:
            RecordNotFound: no such case.
        """
        name = annotator_name(annotator)

        def store(session: Session) -> None:
            case = CaseRepository(session).get(case_id)
            AnnotationRepository(session).submit_drafts(case.id, name)
            AssessmentRepository(session).save(case, name, is_submitted=True, draft={})
            record(session, "case.submit", case.id)

        await self._database.write(store)

    @needs(Permission.ANNOTATE)
    async def reopen(self, case_id: str, annotator: str) -> None:
        """Take back that one has submitted a case: one's marks on it are drafts again.

        Raises:
            AnnotationRefused: it is not submitted, others' marks on it were shown, or others have reviewed one's own.
            RecordNotFound: no such case.
        """
        name = annotator_name(annotator)

        def store(session: Session) -> None:
            case, annotations = CaseRepository(session).get(case_id), AnnotationRepository(session)
            check_reopening(session, case.id, name)
            annotations.reopen(case.id, name)
            AssessmentRepository(session).save(case, name, is_submitted=False)
            record(session, "case.reopen", case.id)

        await self._database.write(store)

    @needs(Permission.ANNOTATE)
    async def save_draft(self, case_id: str, annotator: str, draft: Mapping[str, Any], seconds_spent: float) -> None:
        """Save the unsaved form; an empty one clears it. `seconds_spent` is added to the previous total."""
        name = annotator_name(annotator)

        def store(session: Session) -> None:
            case, assessments = CaseRepository(session).get(case_id), AssessmentRepository(session)
            # Just looking at a case is not work on it.
            if draft or seconds_spent > 0 or assessments.get(case.id, name):
                assessments.save(case, name, draft=draft, more_seconds=min(seconds_spent, 3600.0))

        await self._database.write(store)

    @needs(Permission.ANNOTATE)
    async def reject_suggestion(self, case_id: str, annotator: str, key: str) -> None:
        """Stop offering a suggestion to this annotator."""
        name = annotator_name(annotator)
        await self._database.write(
            lambda s: AssessmentRepository(s).save(CaseRepository(s).get(case_id), name, rejected=key)
        )

    @needs(Permission.ANNOTATE)
    async def agree(self, annotation_id: str, annotator: str) -> Annotation:
        """Agree with another annotator's annotation. Raises AnnotationRefused, RecordNotFound."""
        name = annotator_name(annotator)

        def store(session: Session) -> Annotation:
            seen = reviewable(session, annotation_id, name)
            agreed = tuple(sorted({*seen.agreed_by, name}))
            if agreed == seen.agreed_by:
                return seen
            return changed(session, seen, name, AnnotationAction.AGREED, agreed_by=agreed)

        return await self._database.write(store)

    @needs(Permission.ANNOTATE)
    async def dispute(self, annotation_id: str, annotator: str, reason: str) -> Annotation:
        """Dispute another annotator's annotation. Raises AnnotationRefused, RecordNotFound."""
        name, why = annotator_name(annotator), reason_given(reason)

        def store(session: Session) -> Annotation:
            seen = reviewable(session, annotation_id, name)
            agreed = tuple(who for who in seen.agreed_by if who != name)
            return changed(
                session,
                seen,
                name,
                AnnotationAction.DISPUTED,
                reason=why,
                state=AnnotationState.DISPUTED,
                is_upheld=None,
                agreed_by=agreed,
            )

        return await self._database.write(store)

    @needs(Permission.REVIEW)
    async def adjudicate(self, annotation_id: str, annotator: str, *, is_upheld: bool, reason: str) -> Annotation:
        """Decide a dispute. Raises AnnotationRefused, RecordNotFound."""
        name, why = annotator_name(annotator), reason_given(reason)

        def store(session: Session) -> Annotation:
            seen = AnnotationRepository(session).get(annotation_id)
            if seen.state is not AnnotationState.DISPUTED:
                raise AnnotationRefused(
                    "case", f"This annotation is {seen.state.value}; only disputed ones can be adjudicated."
                )
            return changed(
                session,
                seen,
                name,
                AnnotationAction.ADJUDICATED,
                reason=why,
                state=AnnotationState.ADJUDICATED,
                is_upheld=is_upheld,
            )

        return await self._database.write(store)

    @needs(Permission.READ)
    async def history(self, annotation_id: str, annotator: str) -> tuple[AnnotationRevision, ...]:
        """Revisions of an annotation that the annotator may see, oldest first; otherwise empty."""
        name = reader_name(annotator)

        def read(session: Session) -> tuple[AnnotationRevision, ...]:
            seen = AnnotationRepository(session).get(annotation_id)
            own = AssessmentRepository(session).get(seen.case_id, name)
            may_see = own is not None and own.is_submitted and seen.state is not AnnotationState.DRAFT
            return AnnotationRepository(session).history(seen.id) if may_see or seen.annotator == name else ()

        return await self._database.read(read)

    @needs(Permission.READ)
    async def annotators(self) -> tuple[str, ...]:
        """Names of everyone who has worked on a case, sorted."""
        return await self._database.read(lambda s: AssessmentRepository(s).annotators())

    @needs(Permission.MANAGE)
    async def old_names(self) -> tuple[NamedWork, ...]:
        """Names of annotators that belong to no account, from before there were accounts or from imports."""

        def read(session: Session) -> tuple[NamedWork, ...]:
            accounts = {account.name for account in AccountRepository(session).all()}
            return tuple(each for each in NameRepository(session).all() if each.name not in accounts)

        return await self._database.read(read)

    @needs(Permission.MANAGE)
    async def claim(self, name: str, account_name: str) -> MovedWork:
        """Move what was done under an old name to an account.

        Raises:
            RecordNotFound: nothing was done under that name, or there is no such account.
            AnnotationRefused: the name is another account's, or both have worked on the same case.
        """

        def store(session: Session) -> MovedWork:
            names, account = NameRepository(session), AccountRepository(session).get(account_name)
            check_claim(session, name, account)
            moved = names.rename(name, account.name)
            counts = {"cases": moved.cases, "annotations": moved.annotations, "revisions": moved.revisions}
            record(session, "annotation.claim", account.id, **counts)
            return moved

        return await self._database.write(store)

    @needs(Permission.READ)
    async def models(self) -> tuple[str, ...]:
        """Names of the models that produced cases, sorted."""
        return await self._database.read(lambda s: CaseRepository(s).models())

    @needs(Permission.READ)
    async def error_counts(self) -> tuple[ErrorCount, ...]:
        """Counts by label and case attributes, of the annotations that the double blind lets the person see."""
        seen_by = readable_by(current_person())
        return await self._database.read(lambda s: AnnotationRepository(s).error_counts(seen_by))

    @needs(Permission.READ)
    async def mark_counts(self) -> tuple[MarkCount, ...]:
        """Counts by severity and case attributes, each annotation once, as `error_counts` sees them."""
        seen_by = readable_by(current_person())
        return await self._database.read(lambda s: AnnotationRepository(s).mark_counts(seen_by))

    @needs(Permission.READ)
    async def agreement(self) -> AgreementReport:
        """Agreement between annotators on cases that several have submitted; takes seconds."""
        ratings = await self._database.read(lambda s: AnnotationRepository(s).ratings())
        return await asyncio.to_thread(_agreement_of, ratings, self.taxonomy)


def _agreement_of(ratings: Sequence[Rating], taxonomy: Taxonomy) -> AgreementReport:
    # Imported on first use, in a thread: the statistics libraries take seconds to load, and much memory.
    from m1app.annotation.agreement_statistics import agreement_of

    return agreement_of(ratings, taxonomy)
