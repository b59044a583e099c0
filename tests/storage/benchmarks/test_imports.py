"""Runs that were made elsewhere, in both databases."""

from collections.abc import Sequence

from storage.benchmarks.imports import (
    ImportedResult,
    begin_imported,
    files_of,
    imported_answers,
    keep_items,
    keep_results,
    own_verdicts,
    remove_unfinished,
    run_of_file,
    show_imported,
)
from storage.benchmarks.records import BenchmarkRun, ImportedAnswer, ImportedFile, ItemState, RunState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.benchmarks.results import BenchmarkResultRepository, VerdictFilter
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.trash.records import TrashKind
from tests.m1app.benchmark.benchmark_samples import a_run
from tests.storage.samples import discard, purge
from tests.storage.trash.scenario import rows

FILE = ImportedFile(
    file_name="samples_glands.jsonl",
    sha256="a" * 64,
    beside_sha256="b" * 64,
    tool="lm-evaluation-harness",
    tool_version="",
    stated={"temperature": "0.6"},
    questions=2,
    matched=1,
    notes=("left out: one", "and two"),
)
OPTIONS = {"A": "the first", "B": "the second"}


def answer(**changes: object) -> ImportedAnswer:
    usual: dict[str, object] = {
        "pass_number": 0,
        "budget_tokens": 0,
        "force_rounds": 0,
        "thinking": None,
        "answer": "The answer is B.",
        "own_is_correct": True,
        "own_letter": "B",
        "own_rule": "exact_match",
        "generated_tokens": 7,
        "thinking_tokens": None,
        "letter_rule": "stated: answer is (en)",
        "letter_start": 4,
        "letter_end": 15,
    }
    return ImportedAnswer(**usual | changes)  # type: ignore[arg-type]


def result(position: int, is_correct: bool | None, **changes: object) -> ImportedResult:
    letter = "B" if is_correct else None
    return ImportedResult(
        position=position,
        answer=answer(**changes),
        letter=letter,
        is_correct=is_correct,
        m1_letter="B",
        m1_is_correct=True,
        tokens=7,
        thinking_tokens=0,
    )


def store(database: Database, results: Sequence[ImportedResult]) -> BenchmarkRun:
    new = a_run(name="Mine", question_sets=("glands",), models=("m",), budgets=(0,), force_rounds=(0,))
    with database.session() as session:
        ids = QuestionRepository(session).upsert_all(
            [NewQuestion(stem=f"Question {n}?", options=OPTIONS, target="B") for n in range(2)]
        )
        items = [PlannedItem(0, 0, question_id) for question_id in ids]
        run_id = begin_imported(session, new, (FILE,))
        for item in items:
            keep_items(session, run_id, [item])
    for each in results:
        with database.session() as session:
            assert not BenchmarkRepository(session).recent()
            assert run_of_file(session, FILE.sha256, FILE.beside_sha256) is None
            keep_results(session, run_id, items, [each])
    with database.session() as session:
        return show_imported(session, run_id)


def test_a_run_is_stored_whole_and_read_as_it_was(database: Database) -> None:
    thought = {"thinking": "Maybe A.", "own_is_correct": False}
    run = store(database, [result(0, True), result(1, False, **thought)])
    assert (run.state, run.items, run.items_done, run.tokens_generated) == (RunState.IMPORTED, 2, 2, 14)
    with database.session(is_read_only=True) as session:
        assert files_of(session, run.id) == (FILE,)
        verdicts, total = BenchmarkResultRepository(session).verdicts(run.id, VerdictFilter(cell=(0, 0)))
        assert (total, [each.is_correct for each in verdicts]) == (2, [True, False])
        assert all(each.is_imported and each.item_state is ItemState.DONE for each in verdicts)
        assert imported_answers(session, verdicts[1].item_id) == (answer(**thought),)
        exported = BenchmarkResultRepository(session).rows(run.id, range(2))
        assert [each["file_thinking"] for each in exported] == [None, "Maybe A."]
        assert [each["letter_words"] for each in exported] == ["answer is B"] * 2


def test_what_was_stored_of_an_import_that_broke_off_is_removed_in_steps(database: Database) -> None:
    whole = store(database, [result(0, True), result(1, True)])
    new = a_run(name="Half", question_sets=("glands",), models=("m",), budgets=(0,), force_rounds=(0,))
    with database.session() as session:
        question_id = QuestionRepository(session).upsert_all([NewQuestion(stem="Q?", options=OPTIONS, target="B")])[0]
        items = [PlannedItem(0, 0, question_id), PlannedItem(0, 0, question_id)]
        run_id = begin_imported(session, new, (FILE,))
        keep_items(session, run_id, items)
        keep_results(session, run_id, items, [result(0, True), result(1, True)])
    steps = 0
    while database.write_now(lambda session: remove_unfinished(session, 1)):
        steps += 1
    assert steps == 3
    left = rows(database)
    assert len(left["benchmark_run"]) == len(left["benchmark_import"]) == 1
    assert len(left["benchmark_item"]) == len(left["benchmark_result"]) == len(left["benchmark_imported_answer"]) == 2
    with database.session(is_read_only=True) as session:
        assert BenchmarkRepository(session).recent() == (whole,)


def test_verdicts_of_files_are_compared_where_both_exist(database: Database) -> None:
    run = store(database, [result(0, False), result(1, True, own_is_correct=None)])
    with database.session(is_read_only=True) as session:
        found = own_verdicts(session, run.id)
    assert (found.answers, found.correct, found.differ_strict, found.differ_m1) == (1, 1, 1, 0)


def test_a_file_is_known_with_its_settings_until_its_run_is_deleted(database: Database) -> None:
    run = store(database, [result(0, True), result(1, True)])
    with database.session(is_read_only=True) as session:
        assert run_of_file(session, FILE.sha256, FILE.beside_sha256) == run
        assert run_of_file(session, FILE.sha256, "") is None
    discard(database, TrashKind.BENCHMARK_RUN, run.id)
    with database.session(is_read_only=True) as session:
        assert run_of_file(session, FILE.sha256, FILE.beside_sha256) is None


def test_nothing_of_a_run_is_left_once_it_is_purged(database: Database) -> None:
    run = store(database, [result(0, True), result(1, True)])
    deletion = discard(database, TrashKind.BENCHMARK_RUN, run.id)
    purge(database, deletion)
    left = rows(database)
    assert not left["benchmark_import"]
    assert not left["benchmark_imported_answer"]
