"""Annotations, assessments and the queue, on both dialects."""

from datetime import UTC, datetime

import pytest

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.queue import QueueRepository
from storage.annotations.records import (
    Annotation,
    AnnotationAction,
    AnnotationState,
    CaseFilter,
    Evidence,
    EvidenceKind,
    Origin,
    Part,
    TextSelector,
)
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.errors import InvalidRecord, RecordChanged, RecordNotFound
from tests.m1app.annotation.cases import ANSWER, THINKING, note, stored_sweep, stored_trace
from tests.storage.samples import begin

SELECTOR = TextSelector(4, 9, "ECG 🫀", "The ", " comes first.\r\nWait, or the D-dim", "0" * 64)


def queue(database: Database, **wanted: object) -> list[str]:
    with database.session(is_read_only=True) as session:
        rows = QueueRepository(session, CaseFilter(**wanted))  # type: ignore[arg-type]
        page = rows.page("", 50, None)
        found = [each.id for group in page.groups for each in rows.cases(group.key, "")]
    assert page.total == len(found) == sum(group.cases for group in page.groups)
    return found


def add(
    database: Database, case_id: str, *labels: str, who: str = "Ada", submit: bool = True, **changes: object
) -> str:
    with database.session() as session:
        case = CaseRepository(session).get(case_id)
        annotations = AnnotationRepository(session)
        made = annotations.add(case, who, note(*labels, **changes), Origin.PERSON, 1)  # type: ignore[arg-type]
        if submit:
            annotations.change(made, who, AnnotationAction.SUBMITTED, state=AnnotationState.SUBMITTED)
            AssessmentRepository(session).save(case, who, is_submitted=True)
    return made.id


def test_everything_that_is_said_comes_back(database: Database) -> None:
    case_id = stored_trace(database)
    said = note(
        "incorrect_fact",
        "bias",
        part=Part.THINKING,
        selector=SELECTOR,
        comment="<b>no</b>",
        corrected_fact="é 🫀",
        evidence=(Evidence(EvidenceKind.PMID, "1"), Evidence(EvidenceKind.QUOTE, "q")),
        is_omission=True,
        changed_answer=False,
    )
    with database.session() as session:
        case = CaseRepository(session).get(case_id)
        made = AnnotationRepository(session).add(case, "Ada", said, Origin.PERSON, 1)
    with database.session(is_read_only=True) as session:
        assert AnnotationRepository(session).get(made.id) == made
        assert AnnotationRepository(session).of_case(case_id) == (made,)
    assert (made.selector, made.evidence, made.state) == (SELECTOR, said.evidence, AnnotationState.DRAFT)
    assert made.created_at.tzinfo is UTC


def test_history_keeps_every_state_and_a_stale_change_is_refused(database: Database) -> None:
    case_id = stored_trace(database)
    annotation_id = add(database, case_id, "bias", submit=False)
    with database.session() as session:
        annotations = AnnotationRepository(session)
        first = annotations.get(annotation_id)
        annotations.change(first, "Ada", AnnotationAction.EDITED, labels=("knowledge_gap",), comment="more")
    with database.session() as session, pytest.raises(RecordChanged):
        AnnotationRepository(session).change(first, "Eve", AnnotationAction.EDITED, comment="late")
    with database.session(is_read_only=True) as session:
        history = AnnotationRepository(session).history(annotation_id)
        now = AnnotationRepository(session).get(annotation_id)
    assert [(each.revision, each.action) for each in history] == [
        (1, AnnotationAction.CREATED),
        (2, AnnotationAction.EDITED),
    ]
    assert [each.document["labels"] for each in history] == [["bias"], ["knowledge_gap"]]
    assert (now.comment, now.revision) == ("more", 2)


def test_case_of_a_probe_has_its_texts_and_waits(database: Database) -> None:
    case_id = stored_trace(database)
    with database.session(is_read_only=True) as session:
        case = CaseRepository(session).get(case_id)
    assert (case.thinking_text, case.answer_text, case.checkpoint_id) == (THINKING, ANSWER, None)
    assert [THINKING[a:b] for a, b in case.waits] == ["Wait"]


def test_case_of_a_sweep_ends_at_its_cut(database: Database) -> None:
    sweep_id, right, wrong = stored_sweep(database)
    with database.session(is_read_only=True) as session:
        cases = [CaseRepository(session).get(each) for each in (right, wrong)]
    assert [case.thinking_text for case in cases] == [THINKING[: THINKING.index("Wait")], THINKING]
    assert [(case.thinking_budget_tokens, case.force_rounds) for case in cases] == [(5, 0), (128, 0)]
    assert {case.sweep_id for case in cases} == {sweep_id}


def test_what_is_no_case_is_not_found(database: Database) -> None:
    sweep_id, right, _ = stored_sweep(database)
    running = begin(database)
    with database.session(is_read_only=True) as session:
        trace_of_sweep = CaseRepository(session).get(right).trace_id
        for wrong in ("", "nobody", "\x00", sweep_id, trace_of_sweep, running.id):
            with pytest.raises(RecordNotFound):
                CaseRepository(session).get(wrong)


def test_queue_holds_probes_and_sweep_answers_and_is_filtered(database: Database) -> None:
    sweep_id, right, wrong = stored_sweep(database)
    probe = stored_trace(database, is_correct=None)
    begin(database)
    assert set(queue(database)) == {right, wrong, probe}
    assert queue(database, is_correct=False) == [wrong]
    assert queue(database, is_unscored=True) == [probe]
    assert queue(database, is_flipped=True) == [wrong]
    assert set(queue(database, sweep_id=sweep_id)) == {right, wrong}
    assert queue(database, model="smollm2-135m") == [probe]
    assert set(queue(database, text="crushing pai")) == {right, wrong, probe}
    assert queue(database, text="nothing of it") == []


def test_queue_finds_cases_by_what_was_marked(database: Database) -> None:
    first, second = stored_trace(database), stored_trace(database)
    add(database, first, "bias", "misread_case", severity="severe")
    add(database, second, "knowledge_gap", who="Eve", submit=False)
    assert queue(database, label="bias") == [first]
    assert queue(database, label="knowledge_gap") == []  # a draft is nobody else's business
    assert queue(database, severity="severe", label="misread_case", annotator="Ada") == [first]
    assert queue(database, severity="severe", annotator="Eve") == []
    assert queue(database, not_assessed_by="Ada") == [second]
    assert queue(database, is_disputed=True) == []
    assert queue(database, thinking_budget_tokens=1024, force_rounds=1) == [first]


def test_queue_tells_progress_and_pages(database: Database) -> None:
    cases = [stored_trace(database) for _ in range(5)]
    add(database, cases[0], "bias")
    add(database, cases[0], "bias", who="Eve")
    newest = cases[::-1]
    with database.session(is_read_only=True) as session:
        rows = QueueRepository(session, CaseFilter())
        page = rows.page("Ada", 1, None)
        assert (page.total, page.submitted, page.next_cursor) == (5, 1, None)
        [group] = page.groups  # One question.
        assert (group.cases, group.wrong, group.submitted, group.only) == (5, 5, 1, None)
        assert [each.id for each in rows.cases(group.key, "Ada")] == newest
        assert rows.neighbours(cases[2]) == (cases[3], cases[1])
        assert (rows.neighbours(cases[4]), rows.neighbours(cases[0])) == ((None, cases[3]), (cases[1], None))
        assert rows.neighbours("nobody") == (None, None)
        left = QueueRepository(session, CaseFilter(not_assessed_by="Ada"))
        assert left.neighbours(cases[1]) == (cases[2], None)
        assert left.neighbours(cases[0]) == (cases[1], None)
        with pytest.raises(InvalidRecord, match="first page"):
            rows.page("Ada", 3, "nonsense")


def test_errors_are_counted_once_for_each_label(database: Database) -> None:
    case_id = stored_trace(database)
    add(database, case_id, "bias", "misread_case", severity="severe")
    add(database, case_id, "bias", who="Eve", submit=False)
    with database.session(is_read_only=True) as session:
        counts = AnnotationRepository(session).error_counts()
        marks = AnnotationRepository(session).mark_counts()
    # One mark, although it has two labels and several revisions.
    assert [(each.severity, each.is_correct, each.marks) for each in marks] == [("severe", False, 1)]
    assert sorted((each.label, each.severity, each.is_correct, each.annotations) for each in counts) == [
        ("bias", "severe", False, 1),
        ("misread_case", "severe", False, 1),
    ]


def test_ratings_hold_cases_that_several_have_submitted(database: Database) -> None:
    both, alone = stored_trace(database), stored_trace(database)
    add(database, both, "bias")
    add(database, both, "misread_case", who="Eve")
    add(database, alone, "bias")
    with database.session(is_read_only=True) as session:
        ratings = AnnotationRepository(session).ratings()
    assert [(each.case_id, each.annotator) for each in ratings] == [(both, "Ada"), (both, "Eve")]
    assert [each.annotations[0].labels for each in ratings] == [("bias",), ("misread_case",)]


def test_assessment_keeps_draft_time_and_rejections(database: Database) -> None:
    case_id = stored_trace(database)
    with database.session() as session:
        case = CaseRepository(session).get(case_id)
        assessments = AssessmentRepository(session)
        assert assessments.get(case_id, "Ada") is None
        assessments.save(case, "Ada", draft={"comment": "half a th"}, more_seconds=2.5)
        assessments.save(case, "Ada", rejected="key", more_seconds=1.0)
    with database.session(is_read_only=True) as session:
        kept = AssessmentRepository(session).get(case_id, "Ada")
        assert AssessmentRepository(session).submitted_by(case_id) == ()
        assert AssessmentRepository(session).annotators() == ("Ada",)
    assert kept is not None
    assert (kept.draft, kept.rejected, kept.seconds_spent) == ({"comment": "half a th"}, ("key",), 3.5)
    assert not kept.is_submitted
    assert kept.updated_at <= datetime.now(UTC)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_together_are_all_that_was_submitted_by_case_and_time(database: Database, limit: int) -> None:
    cases = [stored_trace(database) for _ in range(3)]
    made = {add(database, case, who=who): case for case in cases for who in ("Ada", "Eve", "Zoe")}
    add(database, cases[0], submit=False)
    found: list[Annotation] = []
    with database.session(is_read_only=True) as session:
        annotations = AnnotationRepository(session)
        while page := annotations.submitted_after(found[-1] if found else None, limit):
            assert len(page) <= limit
            found += page
        histories = annotations.histories([each.id for each in found])
    assert {each.id: each.case_id for each in found} == made
    assert [each.case_id for each in found] == sorted(made.values())
    places = [(each.case_id, each.created_at, each.id) for each in found]
    assert places == sorted(places)
    assert histories.keys() == made.keys()
    assert {tuple(each.revision for each in history) for history in histories.values()} == {(1, 2)}


def test_corrections_are_read_case_by_case(database: Database) -> None:
    with_correction, without, withdrawn = (stored_trace(database) for _ in range(3))
    first = add(database, with_correction, corrected_fact="ECG first.")
    second = add(database, with_correction, who="Eve", corrected_fact="At once.")
    add(database, with_correction, who="Zoe")
    add(database, without)
    add(database, withdrawn, corrected_fact="No.", submit=False)
    with database.session(is_read_only=True) as session:
        annotations = AnnotationRepository(session)
        assert annotations.corrected_cases_after("", 10) == (with_correction,)
        assert annotations.corrected_cases_after(with_correction, 10) == ()
        assert [each.id for each in annotations.corrections(with_correction)] == [first, second]
