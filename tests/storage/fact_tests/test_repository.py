"""Fact tests in each database: stored, listed, and gone with what they go on from."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.annotations.cases import CaseRepository
from storage.annotations.records import AnnotationAction, AnnotationState, Origin, Part, TextSelector
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.errors import InvalidRecord, RecordNotFound
from storage.fact_tests.repository import FactTestRepository
from storage.strategies.repository import StrategyRepository
from storage.studies.repository import StudyRepository
from storage.traces.records import Trace, TraceOutcome, TraceState
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.m1app.annotation.cases import note
from tests.storage.fact_tests.samples import a_fact_test, store_fact_test, store_in
from tests.storage.samples import COMPLETED, a_study, begin, discard, finish, think
from tests.storage.trash.scenario import annotate, rows


@pytest.fixture
def trace(database: Database) -> Trace:
    begun = begin(database)
    finish(database, begun, think("The heart is fine."), outcome=COMPLETED)
    return begun


def left_of(database: Database) -> list[str]:
    """Tables that still have something of a test."""
    tables = ("fact_test", "strategy_run", "strategy_result", "strategy_request", "trace")
    return [name for name in tables if rows(database)[name]]


def test_a_test_is_read_as_it_was_stored_and_listed_with_its_run(database: Database, trace: Trace) -> None:
    run_id = store_fact_test(database, trace)
    with database.session(is_read_only=True) as session:
        tests = FactTestRepository(session)
        kept = tests.get(run_id)
        (listed,) = tests.recent(10)
        assert StrategyRepository(session).recent() == (), "it is no run of strategies that a person has asked for"
        assert tests.recent(10, case_id=trace.id) == (listed,)
        assert tests.recent(10, case_id="0" * 32) == ()
    expected = a_fact_test(trace.id)
    assert (kept.fact, kept.insertions, kept.kept_ids) == (expected.fact, expected.insertions, expected.kept_ids)
    assert (listed.run_id, listed.case_id, listed.verdict["kind"]) == (run_id, trace.id, "knowledge_missing")
    assert (listed.model, listed.seeds, listed.labels) == (trace.model, 5, ())
    assert (listed.thinking_budget_tokens, listed.tags) == (trace.thinking_budget_tokens, trace.question.tags)


def test_what_cannot_be_stored_or_found_is_refused(database: Database, trace: Trace) -> None:
    with pytest.raises(InvalidRecord, match="the fact contains"):
        store_fact_test(database, trace, fact="a\x00b")
    with database.session(is_read_only=True) as session, pytest.raises(RecordNotFound):
        FactTestRepository(session).get("0" * 32)


def test_a_test_knows_the_labels_of_its_annotation_while_it_counts(database: Database, trace: Trace) -> None:
    annotate(database, trace.id)
    with database.session(is_read_only=True) as session:
        (annotation,) = AnnotationRepository(session).of_case(trace.id)
    run_id = store_fact_test(database, trace, annotation_id=annotation.id)
    with database.session(is_read_only=True) as session:
        (listed,) = FactTestRepository(session).recent(10, annotation_id=annotation.id)
    counts_now = annotation.state not in (AnnotationState.DRAFT, AnnotationState.WITHDRAWN)
    assert (listed.run_id, listed.labels) == (run_id, annotation.labels if counts_now else ())


def test_a_deleted_trace_takes_its_tests_along_and_brings_them_back(database: Database, trace: Trace) -> None:
    run_id = store_fact_test(database, trace)
    with database.session(is_read_only=True) as session:
        assert TrashRepository(session).extent(TrashKind.TRACE, trace.id).strategy_runs == 1
    deletion = discard(database, TrashKind.TRACE, trace.id)
    with database.session() as session:
        assert FactTestRepository(session).recent(10) == ()
        with pytest.raises(RecordNotFound):
            FactTestRepository(session).get(run_id)
        TrashRepository(session).restore(deletion.id)
        assert FactTestRepository(session).get(run_id).trace_id == trace.id
    again = discard(database, TrashKind.TRACE, trace.id)
    with database.session() as session:
        while not TrashRepository(session).purge(again.id, 10):
            pass
    assert left_of(database) == []


def test_erasing_a_person_with_their_marks_erases_the_tests_of_their_facts(database: Database, trace: Trace) -> None:
    annotate(database, trace.id)
    with database.session(is_read_only=True) as session:
        (annotation,) = AnnotationRepository(session).of_case(trace.id)
    kept = store_fact_test(database, trace)
    store_fact_test(database, trace, annotation_id=annotation.id)
    with database.session() as session:
        ErasureRepository(session).erase_person(annotation.annotator, "nobody", account_id="", is_removing=True)
        assert [each.run_id for each in FactTestRepository(session).recent(10)] == [kept]


def test_erasing_a_trace_and_its_age_erase_its_tests(database: Database, trace: Trace) -> None:
    run_id = store_fact_test(database, trace)
    with database.session() as session:
        erasure = ErasureRepository(session)
        later = datetime.now(UTC) + timedelta(days=1)
        assert erasure.older_than(later, with_annotated=True).strategy_runs == (run_id,)
        extent = erasure.of_trace(trace.id)
        assert extent.strategy_runs == (run_id,)
        erasure.erase(extent)
    assert left_of(database) == []


def corrected(database: Database, trace_id: str, *labels: str, is_submitted: bool = True, **changes: Any) -> str:
    """A corrected fact on "heart"; returns the annotation's id."""
    selector = TextSelector(4, 9, "heart", "The ", " is", "0" * 64)
    content = note(*labels, part=Part.THINKING, selector=selector, corrected_fact="It has four chambers.")
    with database.session() as session:
        annotations = AnnotationRepository(session)
        case = CaseRepository(session).get(trace_id)
        made = annotations.add(case, "Ada", replace(content, **changes), Origin.PERSON, 1)
        if is_submitted:
            annotations.change(made, "Ada", AnnotationAction.SUBMITTED, state=AnnotationState.SUBMITTED)
        return made.id


def test_the_newest_test_of_an_annotation_is_known_and_those_of_others_are_not_looked_at(database: Database) -> None:
    trace = a_wrong_trace(database)
    first, second = corrected(database, trace.id), corrected(database, trace.id)
    made = [store_fact_test(database, trace, annotation_id=first) for _ in range(2)]
    store_fact_test(database, trace)
    with database.session() as session:
        tests = FactTestRepository(session)
        assert tests.newest_of(first) == tests.recent(1, annotation_id=first)[0].run_id
        assert tests.newest_of(first) in made
        assert tests.newest_of(second) == tests.newest_of("0" * 32) == ""


def test_only_one_of_two_transactions_finds_that_there_is_no_test_yet(database: Database) -> None:
    trace = a_wrong_trace(database)
    annotation_id = corrected(database, trace.id)
    found, has_looked = list[str](), threading.Event()

    def look() -> None:
        with database.session() as session:
            has_looked.set()
            found.append(FactTestRepository(session).newest_of(annotation_id))

    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            assert FactTestRepository(session).newest_of(annotation_id) == ""
            other = pool.submit(look)
            if session.get_bind().dialect.name == "postgresql":  # On SQLite, a transaction waits before it begins.
                assert has_looked.wait(10)
            run_id = store_in(session, trace, annotation_id=annotation_id)
        other.result(10)
    assert found == [run_id]


@pytest.mark.parametrize(
    ("changes", "is_standing"),
    [
        ({"state": AnnotationState.DRAFT}, True),
        ({"state": AnnotationState.DISPUTED}, True),
        ({"state": AnnotationState.ADJUDICATED, "is_upheld": True}, True),
        ({"state": AnnotationState.ADJUDICATED, "is_upheld": False}, False),
        ({"state": AnnotationState.WITHDRAWN}, False),
    ],
)
def test_tests_of_what_was_withdrawn_or_rejected_are_not_among_those_that_stand(
    database: Database, changes: dict[str, Any], is_standing: bool
) -> None:
    trace = a_wrong_trace(database)
    annotation_id = corrected(database, trace.id)
    of_it, typed = store_fact_test(database, trace, annotation_id=annotation_id), store_fact_test(database, trace)
    with database.session() as session:
        annotations = AnnotationRepository(session)
        annotations.change(annotations.get(annotation_id), "Ada", AnnotationAction.EDITED, **changes)
        found = FactTestRepository(session).recent(10, is_standing=True)
    assert {each.run_id for each in found} == ({of_it, typed} if is_standing else {typed})


def a_wrong_trace(database: Database, *, is_correct: bool | None = False) -> Trace:
    begun = begin(database)
    wrong = TraceOutcome(state=TraceState.COMPLETED, answer_letter="A", is_correct=is_correct)
    finish(database, begun, think("The heart is fine."), outcome=wrong)
    return begun


def waiting(database: Database, **filters: str) -> list[str]:
    with database.session(is_read_only=True) as session:
        return [each.annotation_id for each in FactTestRepository(session).waiting(10, 100, **filters)]


def test_facts_wait_until_a_test_of_them_is_completed(database: Database) -> None:
    trace = a_wrong_trace(database)
    first = corrected(database, trace.id, "bias")
    second = corrected(database, trace.id, "knowledge_gap", "bias")
    assert waiting(database) == [first, second]
    assert waiting(database, label="knowledge_gap") == [second]
    assert waiting(database, label="omission") == []
    assert waiting(database, model=trace.model) == [first, second]
    assert waiting(database, model="another") == []
    store_fact_test(database, trace, TraceState.STOPPED, annotation_id=first)
    assert waiting(database) == [first, second], "a stopped test has said nothing"
    run_id = store_fact_test(database, trace, annotation_id=first)
    assert waiting(database) == [second]
    discard(database, TrashKind.STRATEGY_RUN, run_id)
    assert waiting(database) == [first, second], "its test is in the trash"


def test_only_submitted_facts_on_the_thinking_of_wrong_answers_wait(database: Database) -> None:
    trace, right, open_one = (a_wrong_trace(database, is_correct=each) for each in (False, True, None))
    corrected(database, trace.id, is_submitted=False)
    corrected(database, trace.id, corrected_fact="")
    corrected(database, trace.id, part=Part.ANSWER)
    corrected(database, trace.id, part=Part.WHOLE, selector=None)
    corrected(database, trace.id, corrected_fact="too long " * 20)
    corrected(database, right.id)
    corrected(database, open_one.id)
    assert waiting(database) == []


def test_a_studys_tests_are_told_from_peoples_and_go_with_the_study(database: Database, trace: Trace) -> None:
    with database.session() as session:
        study = StudyRepository(session).add(a_study())
    own = store_fact_test(database, trace, study_id=study.id)
    running = store_fact_test(database, trace, TraceState.RUNNING, study_id="0" * 32)
    peoples = store_fact_test(database, trace)
    with database.session(is_read_only=True) as session:
        tests = FactTestRepository(session)
        assert [each.run_id for each in tests.recent(10, study_id="")] == [peoples]
        assert [(each.run_id, each.study_id) for each in tests.recent(10, study_id=study.id)] == [(own, study.id)]
        assert {each.run_id for each in tests.recent(10)} == {own, running, peoples}
        assert (tests.is_study_testing(study.id), tests.is_study_testing("0" * 32)) == (False, True)
        assert TrashRepository(session).extent(TrashKind.STUDY, study.id).strategy_runs == 1
    deletion = discard(database, TrashKind.STUDY, study.id)
    with database.session() as session:
        assert FactTestRepository(session).find(own) is None
        TrashRepository(session).restore(deletion.id)
        assert FactTestRepository(session).find(own) is not None
    again = discard(database, TrashKind.STUDY, study.id)
    with database.session() as session:
        while not TrashRepository(session).purge(again.id, 10):
            pass
        assert {each.run_id for each in FactTestRepository(session).recent(10)} == {running, peoples}
