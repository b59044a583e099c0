"""Deletions: what they hide, what they leave, how they are undone, and how they become final; on both dialects."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter
from storage.annotations.repository import AnnotationRepository
from storage.annotations.tables import AnnotationRow, AssessmentRow
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import BenchmarkResultRepository
from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.jobs.records import JobKind, NewJob
from storage.jobs.repository import JobRepository
from storage.question_sets.repository import QuestionSetRepository
from storage.strategies.repository import StrategyRepository
from storage.sweeps.repository import SweepRepository
from storage.traces.listing import TraceFilter
from storage.traces.repository import TraceRepository
from storage.traces.tables import TraceRow
from storage.trash.records import Deletion, Extent, TrashKind
from storage.trash.repository import TrashRepository
from storage.trash.tables import WITH_TRASH
from tests.m1app.annotation.cases import stored_sweep, stored_trace
from tests.storage.question_sets.test_repository import add as add_set
from tests.storage.question_sets.test_repository import every, question, stems
from tests.storage.samples import begin, discard, finish, purge, read, think
from tests.storage.trash.scenario import annotate, asked_run, counts, rows, strategies_of

WRITTEN = ("annotation", "annotation_label", "annotation_revision", "assessment")


def restore(database: Database, deletion: Deletion) -> Deletion:
    with database.session() as session:
        return TrashRepository(session).restore(deletion.id)


def extent(database: Database, kind: TrashKind, subject_id: str) -> Extent:
    with database.session(is_read_only=True) as session:
        return TrashRepository(session).extent(kind, subject_id)


def trash(database: Database) -> list[Deletion]:
    with database.session(is_read_only=True) as session:
        return list(TrashRepository(session).all())


def is_there(database: Database, trace_id: str) -> bool:
    try:
        return bool(read(database, trace_id))
    except RecordNotFound:
        return False


def shown(database: Database, run_id: str) -> dict[str, Any]:
    """What the lists, counts and searches show."""
    with database.session(is_read_only=True) as session:
        traces = TraceRepository(session)
        history = traces.list(limit=2)
        pages = [history]
        while pages[-1].next_cursor:
            pages.append(traces.list(limit=2, cursor=pages[-1].next_cursor))
        queue = QueueRepository(session, CaseFilter())
        page = queue.page("Ada", 2, None)
        groups, progress = list(page.groups), (page.total, page.submitted)
        while page.next_cursor:
            page = queue.page("Ada", 2, page.next_cursor)
            groups += page.groups
        queued = [case for group in groups for case in queue.cases(group.key, "Ada")]
        return {
            "history": [each.id for listed in pages for each in listed.items],
            "count": traces.count(),
            "found": [each.id for each in traces.list(TraceFilter(text="tachycardia")).items],
            "found by question": traces.count(TraceFilter(text="chest pain")),
            "models": traces.models(),
            "queue": [each.id for each in queued],
            "queue total": progress,
            "queue of the run": QueueRepository(session, CaseFilter(sweep_id=run_id)).page("", 50, None).total,
            "queue found": QueueRepository(session, CaseFilter(text="ill")).page("", 50, None).total,
            "flipped": QueueRepository(session, CaseFilter(is_flipped=True)).page("", 50, None).total,
            "case models": CaseRepository(session).models(),
            "sweeps": [each.id for each in SweepRepository(session).recent()],
            "sweeps found": [each.id for each in SweepRepository(session).recent(text="chest")],
            "runs": [each.id for each in BenchmarkRepository(session).recent(with_archived=True)],
            "curves": len(BenchmarkResultRepository(session).cell_counts([run_id])),
            "rate": BenchmarkRepository(session).tokens_per_second(("m1-7b", "smollm2-135m")),
        }


def test_a_deleted_run_is_in_no_list_count_search_or_curve_and_comes_back_whole(database: Database) -> None:
    made = asked_run(database)
    before = shown(database, made.run.id)
    assert (before["queue of the run"], before["curves"], before["case models"]) == (4, 2, ("m1-7b",))
    whole = rows(database)
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    hidden = shown(database, made.run.id)
    assert {name: value for name, value in hidden.items() if value not in ([], (), 0, (0, 0), None)} == {}
    with database.session() as session:
        for trace_id in made.trace_ids:
            assert TraceRepository(session).list_checkpoints(trace_id) == ()
            with pytest.raises(RecordNotFound):
                TraceRepository(session).get(trace_id)
            with pytest.raises(RecordNotFound):
                TraceRepository(session).reopen(trace_id, "host:1")
        for item in made.items:
            with pytest.raises(RecordNotFound):
                SweepRepository(session).get(item.sweep_id)
            for case_id in item.checkpoint_ids:
                with pytest.raises(RecordNotFound):
                    CaseRepository(session).get(case_id)
                assert QueueRepository(session, CaseFilter()).neighbours(case_id) == (None, None)
    assert restore(database, deletion) == deletion
    assert rows(database) == whole
    assert shown(database, made.run.id) == before
    assert trash(database) == []


def test_deleted_probes_and_sweeps_leave_no_gap_in_pages(database: Database) -> None:
    probes = [stored_trace(database) for _ in range(9)]
    sweeps = [stored_sweep(database)[0] for _ in range(3)]
    before, whole = shown(database, ""), rows(database)
    deletions = [discard(database, TrashKind.TRACE, each) for each in probes[::2]]
    deletions.append(discard(database, TrashKind.SWEEP, sweeps[1]))
    after = shown(database, "")
    assert after["history"] == probes[1::2][::-1]
    assert (after["count"], after["sweeps"]) == (4, [sweeps[2], sweeps[0]])
    assert (len(after["queue"]), after["queue total"], after["flipped"]) == (8, (8, 0), 2)
    assert [each.id for each in trash(database)] == [each.id for each in reversed(deletions)]
    for each in deletions:
        restore(database, each)
    assert rows(database) == whole
    assert shown(database, "") == before


def test_a_deletion_says_what_it_is(database: Database) -> None:
    trace = stored_trace(database)
    made = asked_run(database)
    first, second = discard(database, TrashKind.TRACE, trace), discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    assert (first.kind, first.subject_id, first.deleted_by) == (TrashKind.TRACE, trace, "ada")
    assert first.name.startswith("A 54-year-old man")
    assert (second.name, second.deleted_at.utcoffset() is not None) == (made.run.name, True)
    assert trash(database) == [second, first]
    with database.session(is_read_only=True) as session:
        assert TrashRepository(session).get(first.id) == first


@pytest.mark.parametrize("missing", ["0" * 32, "", "x'; --", "\x00", "\ud800", "é"])
def test_what_is_not_there_is_neither_deleted_nor_restored_nor_removed(database: Database, missing: str) -> None:
    for kind in TrashKind:
        with pytest.raises(RecordNotFound):
            extent(database, kind, missing)
        with pytest.raises(RecordNotFound):
            discard(database, kind, missing)
    with database.session() as session:
        repository = TrashRepository(session)
        for use in (repository.get, repository.restore, lambda id_: repository.purge(id_, 10)):
            with pytest.raises(RecordNotFound, match="no longer in the trash"):
                use(missing)


def test_what_is_in_the_trash_is_not_deleted_again_even_at_once(database: Database) -> None:
    made = asked_run(database)
    ready = Barrier(3)

    def delete(_: int) -> bool:
        ready.wait(timeout=30)
        try:
            discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
        except RecordNotFound:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(delete, range(3))) == [False, False, True]
    assert len(trash(database)) == 1
    with pytest.raises(RecordNotFound):
        extent(database, TrashKind.BENCHMARK_RUN, made.run.id)


def test_a_deleted_record_is_not_found_later_in_the_same_transaction(database: Database) -> None:
    made = asked_run(database)
    with database.session() as session:
        runs, sweeps = BenchmarkRepository(session), SweepRepository(session)
        runs.get(made.run.id)
        sweeps.get(made.items[0].sweep_id)
        deletion = TrashRepository(session).discard(TrashKind.BENCHMARK_RUN, made.run.id, "ada")
        with pytest.raises(RecordNotFound):
            runs.get(made.run.id)
        with pytest.raises(RecordNotFound):
            sweeps.get(made.items[0].sweep_id)
        TrashRepository(session).restore(deletion.id)
        assert runs.get(made.run.id) == made.run


def test_a_deleted_run_leaves_annotated_traces_their_sweeps_and_every_word(database: Database) -> None:
    made = asked_run(database)
    annotated, other = made.items
    for who in ("Ada", "Bob"):
        annotate(database, annotated.checkpoint_ids[0], who)
    whole = rows(database)
    assert extent(database, TrashKind.BENCHMARK_RUN, made.run.id) == Extent(
        sweeps=1, traces=3, results=4, traces_kept=1, annotations_kept=2
    )
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    with database.session(is_read_only=True) as session:
        sweep = SweepRepository(session).get(annotated.sweep_id)
        assert [each.trace.id for each in sweep.passes] == [annotated.trace_ids[0]]
        assert CaseRepository(session).get(annotated.checkpoint_ids[0]).sweep_id == annotated.sweep_id
        assert QueueRepository(session, CaseFilter()).page("", 50, None).total == 1
        assert len(AnnotationRepository(session).of_case(annotated.checkpoint_ids[0])) == 2
    assert not is_there(database, other.trace_ids[0])
    restore(database, deletion)
    assert rows(database) == whole
    purge(database, discard(database, TrashKind.BENCHMARK_RUN, made.run.id), most_rows=1)
    left = rows(database)
    assert {name: left[name] for name in WRITTEN} == {name: whole[name] for name in WRITTEN}
    assert counts(database, "benchmark_run", "benchmark_item", "benchmark_result", "deletion") == (0, 0, 0, 0)
    assert counts(database, "sweep", "trace", "checkpoint", "segment") == (1, 1, 1, 1)
    assert is_there(database, annotated.trace_ids[0])


def test_a_deleted_run_takes_the_strategies_of_its_items_along(database: Database) -> None:
    made = asked_run(database)
    answers = [strategies_of(database, each.sweep_id) for each in made.items]
    annotate(database, answers[0])
    whole = rows(database)
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    assert counts(database, "strategy_run", "trace") == (2, 6)
    with database.session(is_read_only=True) as session:
        assert StrategyRepository(session).get(made.items[0].sweep_id)
        with pytest.raises(RecordNotFound):
            StrategyRepository(session).get(made.items[1].sweep_id)
    restore(database, deletion)
    assert rows(database) == whole
    purge(database, discard(database, TrashKind.BENCHMARK_RUN, made.run.id), most_rows=1)
    assert counts(database, "benchmark_strategy_result", "strategy_run", "strategy_result", "trace") == (0, 1, 1, 1)


@pytest.mark.parametrize("has_only_draft", [True, False])
def test_an_annotated_trace_is_not_deleted_nor_a_sweep_of_only_those(database: Database, has_only_draft: bool) -> None:
    trace_id = stored_trace(database)
    sweep_id, checkpoint_id, _ = stored_sweep(database)
    for case_id in (trace_id, checkpoint_id):
        annotate(database, case_id)
        if has_only_draft:
            with database.session() as session:
                session.query(AnnotationRow).delete()
    whole = rows(database)
    for kind, subject_id in ((TrashKind.TRACE, trace_id), (TrashKind.SWEEP, sweep_id)):
        with pytest.raises(InvalidRecord, match="has annotations, which are not deleted with it"):
            discard(database, kind, subject_id)
    assert rows(database) == whole


def test_a_pass_is_deleted_only_with_its_sweep(database: Database) -> None:
    made = asked_run(database)
    with pytest.raises(InvalidRecord, match=r"pass of a sweep. Delete the sweep instead"):
        discard(database, TrashKind.TRACE, made.items[0].trace_ids[0])
    assert trash(database) == []


def test_the_database_itself_keeps_annotated_traces(database: Database) -> None:
    trace_id = stored_trace(database)
    annotate(database, trace_id)
    with pytest.raises(InvalidRecord), database.session() as session:
        session.query(TraceRow).where(TraceRow.id == trace_id).delete()
    assert counts(database, *WRITTEN) == (1, 1, 2, 1)


def test_what_was_annotated_at_the_moment_of_its_deletion_comes_back_when_the_rest_is_removed(
    database: Database,
) -> None:
    made = asked_run(database)
    annotated = made.items[0]
    annotate(database, annotated.checkpoint_ids[0])
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    with database.session() as session:
        late = update(TraceRow).where(TraceRow.id == annotated.trace_ids[0]).values(trash_id=deletion.id)
        session.execute(late, execution_options={WITH_TRASH: True})
    assert not is_there(database, annotated.trace_ids[0])
    purge(database, deletion)
    assert is_there(database, annotated.trace_ids[0])
    assert counts(database, *WRITTEN, "trace", "sweep", "deletion") == (1, 1, 2, 1, 1, 1, 0)


def test_a_sweep_and_then_its_run_are_separate_deletions(database: Database) -> None:
    made = asked_run(database)
    first, second = made.items
    whole = rows(database)
    of_sweep = discard(database, TrashKind.SWEEP, first.sweep_id)
    with_sweep_deleted = rows(database)
    assert extent(database, TrashKind.BENCHMARK_RUN, made.run.id) == Extent(sweeps=1, traces=2, results=4)
    of_run = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    restore(database, of_run)
    assert rows(database) == with_sweep_deleted
    assert not is_there(database, first.trace_ids[0])
    assert is_there(database, second.trace_ids[0])
    restore(database, of_sweep)
    assert rows(database) == whole


def test_a_sweep_comes_back_whether_or_not_its_run_does(database: Database) -> None:
    made = asked_run(database)
    first, second = made.items
    whole = rows(database)
    of_sweep = discard(database, TrashKind.SWEEP, first.sweep_id)
    of_run = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    restore(database, of_sweep)
    assert is_there(database, first.trace_ids[0])
    assert not is_there(database, second.trace_ids[0])
    restore(database, of_run)
    assert rows(database) == whole
    of_sweep = discard(database, TrashKind.SWEEP, first.sweep_id)
    purge(database, discard(database, TrashKind.BENCHMARK_RUN, made.run.id))
    assert not is_there(database, first.trace_ids[0])
    restore(database, of_sweep)
    kept = ("sweep", "trace", "checkpoint", "segment")
    assert counts(database, *kept, "benchmark_run", "benchmark_item") == (1, 2, 2, 2, 0, 0)
    with database.session(is_read_only=True) as session:
        assert len(SweepRepository(session).get(first.sweep_id).passes) == 2


def test_removing_a_sweep_for_good_leaves_its_deleted_run_to_be_restored(database: Database) -> None:
    made = asked_run(database)
    first, second = made.items
    of_sweep = discard(database, TrashKind.SWEEP, first.sweep_id)
    of_run = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    purge(database, of_sweep)
    restore(database, of_run)
    assert is_there(database, second.trace_ids[0])
    assert counts(database, "sweep", "trace", "benchmark_item", "benchmark_result") == (1, 2, 2, 4)
    with database.session(is_read_only=True) as session:
        assert len(BenchmarkResultRepository(session).cell_counts([made.run.id])) == 2


def test_removing_goes_in_steps_of_bounded_size_and_continues_after_an_interruption(database: Database) -> None:
    made = asked_run(database, "heart", "lung", "liver", "spleen")
    other = asked_run(database, "skin")
    kept = {name: set(map(repr, found)) for name, found in rows(database).items()}
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    removable = ("trace", "sweep", "benchmark_item", "question_set_member")
    sizes = [sum(counts(database, *removable))]
    for _ in range(3):
        with database.session() as session:
            assert not TrashRepository(session).purge(deletion.id, 3)
        sizes.append(sum(counts(database, *removable)))
    with pytest.raises(KeyError), database.session() as session:
        TrashRepository(session).purge(deletion.id, 3)
        raise KeyError
    assert sum(counts(database, *removable)) == sizes[-1]
    for _ in range(20):
        with database.session() as session:
            is_done = TrashRepository(session).purge(deletion.id, 3)
        sizes.append(sum(counts(database, *removable)))
        if is_done:
            break
    assert all(0 <= before - after <= 3 for before, after in pairwise(sizes))
    assert sizes[-1] == 4
    left = rows(database)
    assert all(set(map(repr, found)) <= kept[name] for name, found in left.items())
    assert (len(left["deletion"]), len(left["benchmark_run"]), len(left["benchmark_result"])) == (0, 1, 2)
    assert all(is_there(database, each) for each in other.trace_ids)
    assert {row[2] for row in left["search_entry"] if row[2]} == other.trace_ids
    assert len(left["question"]) == 5


def test_what_is_half_removed_is_not_restored(database: Database) -> None:
    made = asked_run(database)
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    with database.session() as session:
        TrashRepository(session).purge(deletion.id, 1)
    with pytest.raises(InvalidRecord, match="cannot be restored"):
        restore(database, deletion)
    purge(database, deletion)
    assert counts(database, "trace", "sweep", "benchmark_run", "deletion") == (0, 0, 0, 0)
    with pytest.raises(RecordNotFound, match="no longer in the trash"):
        restore(database, deletion)


def test_the_full_text_index_has_no_words_of_what_was_removed(database: Database) -> None:
    made = asked_run(database)
    finish(database, begin(database), think("tachycardia is fast"))
    deletion = discard(database, TrashKind.BENCHMARK_RUN, made.run.id)
    purge(database, deletion)
    with database.session() as session:
        assert TraceRepository(session).count(TraceFilter(text="tachycardia")) == 1
        assert TraceRepository(session).count(TraceFilter(text="explains")) == 0
        if database.dialect == "sqlite":
            found = session.connection().exec_driver_sql(
                "SELECT count(*) FROM search_index WHERE search_index MATCH 'explains'"
            )
            assert found.scalar() == 0


def test_a_deleted_set_hides_itself_and_no_question(database: Database) -> None:
    made = add_set(database, *(question(number) for number in range(4)))
    whole = rows(database)
    deletion = discard(database, TrashKind.QUESTION_SET, made.id)
    assert len(every(database)) == 4
    with database.session() as session:
        sets = QuestionSetRepository(session)
        assert (sets.all(), sets.find("MedQA")) == ((), None)
        with pytest.raises(RecordNotFound):
            sets.by_id(made.id)
    restore(database, deletion)
    assert rows(database) == whole
    assert len(stems(database, made.id)) == 4


def test_a_name_that_is_taken_by_now_keeps_a_set_in_the_trash(database: Database) -> None:
    first = add_set(database, question(1))
    deletion = discard(database, TrashKind.QUESTION_SET, first.id)
    second = add_set(database, question(1))
    with pytest.raises(InvalidRecord, match=r"There is now another question set named 'MedQA'. Delete that one first"):
        restore(database, deletion)
    again = discard(database, TrashKind.QUESTION_SET, second.id)
    restore(database, deletion)
    with pytest.raises(InvalidRecord, match="another question set"):
        restore(database, again)
    purge(database, again)
    assert stems(database, first.id) == ["Question number1?"]


def test_removing_a_set_leaves_questions_that_anything_uses_also_in_the_trash(database: Database) -> None:
    made = add_set(database, *(question(number) for number in range(1, 8)))
    other = add_set(database, question(2), name="other")
    trace, sweep = begin(database, question(3)), stored_sweep(database)[0]
    run = asked_run(database)
    with database.session() as session:
        ids = [each.id for each in QuestionSetRepository(session).questions(made.id)]
        session.connection().exec_driver_sql(f"UPDATE sweep SET question_id = '{ids[3]}' WHERE id = '{sweep}'")
        session.connection().exec_driver_sql(
            f"UPDATE benchmark_item SET question_id = '{ids[4]}' WHERE id = '{run.items[0].sweep_id}'"
        )
    assert extent(database, TrashKind.QUESTION_SET, made.id) == Extent(questions=3)
    for kind, subject_id in (
        (TrashKind.QUESTION_SET, other.id),
        (TrashKind.TRACE, trace.id),
        (TrashKind.SWEEP, sweep),
        (TrashKind.BENCHMARK_RUN, run.run.id),
    ):
        discard(database, kind, subject_id)
    assert extent(database, TrashKind.QUESTION_SET, made.id) == Extent(questions=3)
    steps = purge(database, discard(database, TrashKind.QUESTION_SET, made.id), most_rows=2)
    assert steps == 5
    assert [each for each in every(database) if each.startswith("Question")] == [
        f"Question number{number}?" for number in (2, 3, 4, 5)
    ]
    with database.session() as session:
        for each in trash(database):
            TrashRepository(session).restore(each.id)
    assert stems(database, other.id) == ["Question number2?"]
    assert read(database, trace.id).question.stem == "Question number3?"


def test_a_set_does_not_count_questions_that_are_not_its_own(database: Database) -> None:
    made = add_set(database, question(1), question(2, source="typed"))
    assert extent(database, TrashKind.QUESTION_SET, made.id) == Extent(questions=1)


def test_a_deleted_job_is_in_no_list_and_is_not_started(database: Database) -> None:
    with database.session() as session:
        made = JobRepository(session).add(NewJob(kind=JobKind.BENCHMARK, name="m1", recipe={}))
    whole = rows(database)
    deletion = discard(database, TrashKind.JOB, made.id)
    with database.session() as session:
        jobs = JobRepository(session)
        assert jobs.recent() == ()
        with pytest.raises(RecordNotFound):
            jobs.get(made.id)
        assert jobs.claim(made.id, "") is None
    restore(database, deletion)
    assert rows(database) == whole
    assert extent(database, TrashKind.JOB, made.id) == Extent()
    purge(database, discard(database, TrashKind.JOB, made.id))
    assert counts(database, "job", "deletion") == (0, 0)


def test_an_assessment_alone_keeps_a_trace(database: Database) -> None:
    trace_id = stored_trace(database)
    annotate(database, trace_id)
    with database.session() as session:
        session.query(AssessmentRow).delete()
    with pytest.raises(InvalidRecord, match="This trace has annotations"):
        discard(database, TrashKind.TRACE, trace_id)


def test_a_trace_that_somebody_only_looked_at_is_deleted_and_one_with_a_draft_is_not(database: Database) -> None:
    seen, typed = stored_trace(database), stored_trace(database)
    with database.session() as session:
        cases, assessments = CaseRepository(session), AssessmentRepository(session)
        assessments.save(cases.get(seen), "Ada", draft={}, more_seconds=9.0)
        assessments.save(cases.get(typed), "Ada", draft={"comment": "No."})
    with pytest.raises(InvalidRecord, match="has annotations"):
        discard(database, TrashKind.TRACE, typed)
    purge(database, discard(database, TrashKind.TRACE, seen))
    assert counts(database, "trace", "assessment") == (1, 1)
