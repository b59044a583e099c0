"""The report and the page's values of an imported run: where it comes from, and nothing of an engine."""

from pathlib import Path

from m1app.benchmark.queries import QuestionFilter
from m1app.benchmark.report import report_of
from m1app.benchmark.tag_summaries import TagFilter
from m1app.benchmark.tags_export import tags_csv
from m1app.bootstrap import Services
from m1app.ui.benchmarks.runs_view import imported_facts, outputs_value, questions_value, run_value
from storage.benchmarks.records import BenchmarkRun
from tests.m1app.benchmark.imports.log_cases import harness_folder, harness_sample, keep_glands

HOSTILE = "<think>\n<script>window.__hit=1</script>\n</think>\nThe answer is B."


async def imported_run(services: Services, folder: Path) -> BenchmarkRun:
    keep_glands(services.database)
    path = harness_folder(folder / "log", harness_sample(0, HOSTILE), harness_sample(1, "The answer is C.", value=1.0))
    (found,) = (await services.benchmark_imports.import_files([path])).runs
    return found.run


async def test_the_report_says_what_the_files_say_and_claims_no_engine_or_seed(
    services: Services, tmp_path: Path
) -> None:
    run = await imported_run(services, tmp_path)
    made = await report_of(run.id, services.benchmark_reading, services.sweeps, services.strategy_reading)
    made = made.partition("<script>")[0] + made.rpartition("</script>")[2]
    for words in (
        "(imported)</h1>",
        "Benchmark run imported by m1app. Imported: 2 of 2 questions.",
        "engine, seed, prompt and time are not known",
        "written by lm-evaluation-harness 0.4.9; 2 of 2 questions (100.0%) matched to a question set",
        "model_source vllm, temperature 0.6",
        "Right by the files&#39; own verdicts: 2 of 2 (100.0%). The rule strict differs on 1 answer",
        "budget not stated",
        "m1-7b (imported)",
    ):
        assert words in made, words
    for claim in ("Equivalent command", "<dt>Engine</dt>", "<dt>Sampling</dt>", "greedy", "<dt>Planned</dt>", "0 s"):
        assert claim not in made, claim


async def test_the_page_marks_the_run_and_shows_its_outputs_as_text(services: Services, tmp_path: Path) -> None:
    run = await imported_run(services, tmp_path)
    value = run_value(run, imported_facts(run, await services.benchmark_reading.imported(run.id)))
    assert (value["name"], value["own_name"]) == (f"{run.name} (imported)", run.name)
    assert (value["state"], value["state_label"], value["is_live"]) == ("imported", "Imported", False)
    assert "engine, seed and time are not known" in value["facts"]
    assert "The rule strict differs on 1 answer" in value["facts"]
    page = await services.benchmark_reading.questions(run.id, QuestionFilter())
    first, second = questions_value(page, 0)["rows"]
    assert (first["has_sweep"], first["is_imported"], first["tokens"], first["case"]) == (False, True, "–", "")
    assert (first["verdict"], second["verdict"]) == ("right", "wrong")
    answers = await services.benchmark_reading.imported_answers(first["item"])
    (output,) = outputs_value(answers)["outputs"]
    assert output == {
        "title": "budget not stated, 0 rounds",
        "said": "In the file: right by exact_match, read as .. Read from “answer is B”: a statement of the answer, in "
        "English.",
        "thinking": "<script>window.__hit=1</script>",
        "answer": "The answer is B.",
    }


async def test_tags_of_an_imported_run_are_marked_in_their_export(services: Services, tmp_path: Path) -> None:
    run = await imported_run(services, tmp_path)
    page = await services.benchmark_reading.tags(run.id, TagFilter())
    assert page.label == "example/m1-7b (imported)"
    assert tags_csv(page, "strict").decode().splitlines()[0].endswith("caution,is_imported")
