"""Logs of each tool as runs: what is kept of them, how their questions are found, and what is said of them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from m1app.benchmark.descriptions import imported_words, own_verdict_words, run_facts, run_name
from m1app.benchmark.errors import BenchmarkRefused, NoStrategies
from m1app.benchmark.imports.log_reading import ImportChoice
from m1app.benchmark.imports.service import ImportReport
from m1app.benchmark.imports.storing import ImportedRun
from m1app.benchmark.queries import QuestionFilter
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.bootstrap import Services
from m1app.question.answers.scoring import STRICT_VERSION
from storage.benchmarks.records import ImportedAnswer, RunState
from storage.people.audit import AuditRepository
from tests.m1app.benchmark.imports.log_cases import (
    HEADER,
    harness_folder,
    harness_sample,
    inspect_json,
    inspect_log,
    inspect_sample,
    keep_glands,
    m1_folder,
    m1_row,
)

USUAL = ImportChoice()


async def imported(services: Services, *paths: Path, choice: ImportChoice = USUAL) -> ImportReport:
    return await services.benchmark_imports.import_files(paths, choice)


async def one_run(services: Services, *paths: Path, choice: ImportChoice = USUAL) -> ImportedRun:
    (run,) = (await imported(services, *paths, choice=choice)).runs
    return run


async def answers_of(services: Services, run_id: str) -> Sequence[ImportedAnswer]:
    page = await services.benchmark_reading.questions(run_id, QuestionFilter())
    return [
        answer for each in page.questions for answer in await services.benchmark_reading.imported_answers(each.item_id)
    ]


async def test_samples_of_the_harness_become_a_run_on_the_stored_set_with_both_verdicts(
    services: Services, tmp_path: Path
) -> None:
    keep_glands(services.database)
    path = harness_folder(
        tmp_path / "log",
        harness_sample(0, "<think>\nIt holds iodine.\n</think>\n\nThe answer is B."),
        harness_sample(1, "The answer is B.", value=1.0),
        harness_sample(2, "I do not know.", value=0.0),
    )
    found = await one_run(services, path)
    run, (file,) = found.run, found.files
    assert (run.state, run.question_sets, run.models) == (
        RunState.IMPORTED,
        ("Glands of the body",),
        ("example/m1-7b",),
    )
    assert (run.items, run.items_done, run.passes, run.seed, run.strict_version) == (3, 3, 1, None, STRICT_VERSION)
    assert (file.tool, file.tool_version, file.matched, file.questions) == ("lm-evaluation-harness", "0.4.9", 3, 3)
    assert file.stated == {"model_source": "vllm", "temperature": "0.6"}
    assert len(file.sha256) == 64
    # The file says that the second answer is right, and it is not; the rule m1 guesses in the third.
    assert (found.own.answers, found.own.correct, found.own.differ_strict) == (3, 2, 1)
    first, *_ = await answers_of(services, run.id)
    assert (first.thinking, first.answer) == ("It holds iodine.", "The answer is B.")
    assert (first.own_is_correct, first.own_letter, first.own_rule) == (True, ".", "exact_match")
    assert (first.generated_tokens, first.thinking_tokens, first.budget_tokens) == (None, None, 0)
    assert first.answer[first.letter_start : first.letter_end] == "answer is B"
    page = await services.benchmark_reading.questions(run.id, QuestionFilter())
    assert [(each.letter, each.is_correct, each.is_imported) for each in page.questions] == [
        ("B", True, True), ("B", False, True), (None, False, True),
    ]  # fmt: skip


async def test_questions_that_no_set_has_become_a_set_of_their_own(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database, numbers=(0,))
    path = harness_folder(tmp_path / "log", *[harness_sample(number, "Answer: A") for number in range(3)])
    report = await imported(services, path)
    assert report.new_sets == ("glands (imported)",)
    assert report.runs[0].run.question_sets == ("Glands of the body", "glands (imported)")
    assert (report.runs[0].files[0].matched, report.runs[0].files[0].questions) == (1, 3)
    assert "1 of 3 questions (33.3%) matched" in imported_words(report.runs[0].files[0])
    kept = {each.name: each.question_count for each in await services.question_sets.all()}
    assert kept == {"Glands of the body": 1, "glands (imported)": 2}
    # The next log of the same task finds them there.
    again = harness_folder(tmp_path / "other", *[harness_sample(number, "Answer: C") for number in (1, 2)])
    other = await imported(services, again)
    assert (other.new_sets, other.runs[0].files[0].matched) == ((), 2)


async def test_questions_are_looked_for_in_the_named_set_only(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    keep_glands(services.database, name="Part", numbers=(0,))
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"), harness_sample(1, "Answer: A"))
    found = await one_run(services, path, choice=ImportChoice(question_set="Part", name="Mine"))
    assert (found.run.name, found.run.question_sets) == ("Mine", ("Part", "glands (imported)"))


async def test_repeats_are_passes_without_verdicts_of_their_own(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    sample = harness_sample(0, "", resps=[["Answer: B", "Answer: C"]])
    found = await one_run(services, harness_folder(tmp_path / "log", sample))
    assert (found.run.passes, found.own.answers) == (2, 0)
    assert [each.pass_number for each in await answers_of(services, found.run.id)] == [0, 1]
    (cell,) = await services.benchmark_reading.cells([found.run.id])
    assert (cell.n, cell.accuracy.value) == (1, 0.5)


async def test_of_several_filters_the_first_gives_the_verdicts_and_a_note_says_so(
    services: Services, tmp_path: Path
) -> None:
    keep_glands(services.database)
    samples = [harness_sample(0, "Answer: B"), harness_sample(0, "Answer: B", value=0.0, filter="flexible")]
    found = await one_run(services, harness_folder(tmp_path / "log", *samples))
    assert (found.own.answers, found.own.correct) == (1, 1)
    assert found.files[0].notes == ("verdicts by the filter custom-extract; left out 1 row of flexible",)


async def test_thinking_settings_of_the_harness_are_the_cell(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    asked = {"gen_args_0": {"arg_0": "?", "arg_1": {"max_tokens_thinking": 2000, "thinking_n_ignore": 2}}}
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B", arguments=asked))
    run = (await one_run(services, path)).run
    assert (run.budgets, run.force_rounds) == ((2000,), (2,))


@pytest.mark.parametrize("name", ["log.eval", "log.json"])
async def test_a_log_of_inspect_keeps_epochs_tokens_reasoning_and_budget(
    services: Services, tmp_path: Path, name: str
) -> None:
    keep_glands(services.database)
    samples = [
        inspect_sample(0, "ANSWER: B"),
        inspect_sample(0, "ANSWER: C", epoch=2, value="I"),
        inspect_sample(1, "ANSWER: A", value="P"),
        inspect_sample(1, "ANSWER: A", epoch=2, value=math.nan),
    ]
    made = inspect_log if name.endswith(".eval") else inspect_json
    (tmp_path / name).write_bytes(made(*samples))
    found = await one_run(services, tmp_path / name)
    run, (file,) = found.run, found.files
    assert (run.models, run.budgets, run.passes, run.items) == (("vllm/example-m1-7b",), (2048,), 2, 2)
    assert (file.tool, file.tool_version) == ("Inspect", "0.3.150")
    assert file.stated["task"] == "inspect_evals/glands"
    assert file.stated["temperature"] == "0.6"
    # Partial credit and a score that is no number are no verdicts.
    assert (found.own.answers, found.own.correct, found.own.differ_strict) == (2, 1, 0)
    first, *_ = await answers_of(services, run.id)
    assert (first.thinking, first.answer, first.own_rule) == ("Let me see.", "ANSWER: B", "choice")
    assert (first.generated_tokens, first.thinking_tokens) == (30, 20)
    (cell,) = await services.benchmark_reading.cells([run.id])
    assert (cell.mean_tokens, cell.mean_thinking_tokens, cell.n) == (30.0, 20.0, 2)


async def test_results_of_m1_are_one_run_over_their_budgets_with_the_verdicts_beside_them(
    services: Services, tmp_path: Path
) -> None:
    keep_glands(services.database)
    rows = [m1_row(0, "The answer is B"), m1_row(1, "The answer is B")]
    m1_folder(tmp_path / "log" / "128" / "version_0", *rows, budget=128, correct=[True, True])
    m1_folder(tmp_path / "log" / "512" / "version_0", *rows, budget=512, rounds=1, correct=[True, False])
    found = await one_run(services, tmp_path / "log")
    run = found.run
    assert (run.budgets, run.force_rounds, run.models) == ((128, 512), (0, 1), ("example/m1-7b",))
    assert run.name == "m1, Glands of the body: example/m1-7b"
    assert [file.stated["exp_name"] for file in found.files] == ["thinking_budget_128", "thinking_budget_512"]
    assert (found.own.answers, found.own.correct, found.own.differ_strict) == (4, 3, 1)
    first, *_ = await answers_of(services, run.id)
    assert (first.thinking, first.answer) == ("It holds iodine.\n", "<|im_start|>answer\nThe answer is B")
    assert (first.generated_tokens, first.thinking_tokens, first.own_rule) == (40, None, "score.py")
    cells = await services.benchmark_reading.cells([run.id])
    assert [(each.budget_tokens, each.force_rounds, each.accuracy.value) for each in cells] == [
        (128, 0, 0.5),
        (512, 1, 0.5),
    ]
    assert all(each.mean_tokens == 40.0 and math.isnan(each.mean_thinking_tokens) for each in cells)


async def test_results_of_several_sets_are_a_run_over_several_sets(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database, name="Old", numbers=(0, 1))
    rows = [m1_row(0, "B", source="One"), m1_row(1, "A", source="One"), m1_row(2, "C", source="Two")]
    found = await one_run(services, m1_folder(tmp_path / "log", *rows))
    assert found.run.question_sets == ("Old", "Two (imported)")
    assert found.own.answers == 0


async def test_verdicts_of_other_questions_beside_a_log_are_not_taken(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    path = m1_folder(tmp_path / "log", m1_row(0, "B"), m1_row(1, "A"), correct=[True, True])
    scored = path.with_suffix(".scored.json")
    scored.write_text(scored.read_text(encoding="utf-8").replace("thyroxine", "melatonin"), encoding="utf-8")
    assert (await one_run(services, path)).own.answers == 1


async def test_logs_that_answer_the_same_cells_are_runs_of_their_own(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    one = harness_folder(tmp_path / "one", harness_sample(0, "Answer: A"))
    other = harness_folder(tmp_path / "other", harness_sample(0, "Answer: B"))
    report = await imported(services, one, other, choice=ImportChoice(name="Mine"))
    assert [each.run.name for each in report.runs] == ["Mine 1", "Mine 2"]


async def test_a_file_is_imported_once_and_again_after_its_run_was_deleted(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"))
    first = await one_run(services, path)
    copy = path.with_name("samples_copy_2025.jsonl")
    copy.write_bytes(path.read_bytes())
    again = await imported(services, path, copy)
    assert (again.runs, [(name, run.id) for name, run in again.present]) == (
        (),
        [(path.name, first.run.id), (copy.name, first.run.id)],
    )
    await services.benchmarks.delete(first.run.id)
    both = await imported(services, path, copy)
    assert (len(both.runs), both.left_out) == (1, (f"{copy.name}: it is the same file as another one.",))


async def test_budget_rounds_and_model_can_be_said_where_the_log_does_not(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"))
    choice = ImportChoice(model="other", budget_tokens=1024, force_rounds=1)
    found = await one_run(services, path, choice=choice)
    assert (found.run.models, found.run.budgets, found.run.force_rounds) == (("other",), (1024,), (1,))
    assert found.files[0].notes == ("the file names the model example/m1-7b",)


async def test_the_stored_set_s_right_answer_counts_and_a_note_names_the_difference(
    services: Services, tmp_path: Path
) -> None:
    keep_glands(services.database)
    found = await one_run(services, harness_folder(tmp_path / "log", harness_sample(0, "Answer: C", target="C")))
    assert (found.own.correct, found.own.differ_strict) == (1, 1)
    assert found.files[0].notes == ("1 question with another right answer in the question set, which counts",)


async def test_an_imported_run_is_never_run_resumed_scored_again_or_repeated(
    services: Services, tmp_path: Path
) -> None:
    keep_glands(services.database)
    run = (await one_run(services, harness_folder(tmp_path / "log", harness_sample(0, "Answer: B")))).run
    for attempt in (services.benchmarks.run, services.benchmarks.rescore, services.benchmarks.recipe_of):
        with pytest.raises(BenchmarkRefused, match="was imported"):
            await attempt(run.id)
    assert (await services.benchmark_reading.get(run.id)).state is RunState.IMPORTED
    assert services.benchmarks.mark_interrupted() == 0


async def test_strategies_fits_and_policies_need_what_files_do_not_say(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    sample = harness_sample(0, "", resps=[["Answer: B", "Answer: C"]])
    run = (await one_run(services, harness_folder(tmp_path / "log", sample))).run
    choice = PassSelection(run_id=run.id, model=run.models[0], question_set="", force_rounds=0, budget_tokens=0)
    for attempt in (services.strategy_reading.compare(choice), services.fit_reading.fits(choice)):
        with pytest.raises(NoStrategies, match="This run was imported"):
            await attempt


async def test_an_imported_run_is_named_so_and_no_engine_is_claimed(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    found = await one_run(services, harness_folder(tmp_path / "log", harness_sample(0, "Answer: B")))
    assert run_name(found.run).endswith(": example/m1-7b (imported)")
    facts = run_facts(found.run)
    assert facts == "imported: not asked by this app; engine, seed and time are not known"
    old = replace(found.run, strict_version=1)
    assert "until its files are imported again" in run_facts(old)
    assert own_verdict_words(found.own) == (
        "Right by the files' own verdicts: 1 of 1 (100.0%). The rule strict differs on 0 answers, the rule m1 on "
        "0 answers."
    )


async def test_exports_name_the_run_imported_and_have_what_the_file_says(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    answer = "<think>\nIt holds iodine.\n</think>\nThe answer is B."
    run = (await one_run(services, harness_folder(tmp_path / "log", harness_sample(0, answer)))).run
    ((row,),) = [rows async for rows in services.benchmark_reading.rows(run.id)]
    assert (row["run"], row["is_imported"], row["sweep_id"]) == (f"{run.name} (imported)", True, None)
    assert (row["answer"], row["file_thinking"]) == ("The answer is B.", "It holds iodine.")
    assert (row["letter_words"], row["strict_version"]) == ("answer is B", STRICT_VERSION)
    assert (row["file_is_correct"], row["file_rule"], row["is_correct_strict"]) == (True, "exact_match", True)
    assert (row["budget_tokens"], row["thinking_tokens"], row["tokens_if_separate"]) == (None, None, None)
    assert len(await services.benchmark_reading.table(run.id)) == 1


async def test_the_audit_log_names_the_import_and_no_text(services: Services, tmp_path: Path) -> None:
    run = (await one_run(services, harness_folder(tmp_path / "log", harness_sample(0, "Answer: B")))).run
    with services.database.session(is_read_only=True) as session:
        entries = {each.action: each for each in AuditRepository(session).page(limit=10)}
    assert entries["benchmark_run.import"].subject == run.id
    assert entries["benchmark_run.import"].details == {"questions": 1, "files": 1}
    assert "question_set.import" in entries


async def test_a_log_that_was_broken_off_is_imported_with_a_note(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    path = tmp_path / "log.eval"
    path.write_bytes(inspect_log(inspect_sample(0, "ANSWER: B"), header=HEADER | {"status": "cancelled"}))
    found = await one_run(services, path)
    assert found.files[0].notes == ("the evaluation did not end with success (cancelled)",)
