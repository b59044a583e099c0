"""What was measured of a fine-tuned model here, for its card on the hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.intervals import Proportion
from m1app.benchmark.queries import BenchmarkReading
from m1app.engines.served_name import read_served_name
from m1app.training.publishing.tuned_list import TunedModel
from m1app.training.tuned_models import VLLM_SUFFIX
from m1app.wording import percent
from storage.benchmarks.records import BenchmarkRun, RunState

_MOST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Measurement:
    """The accuracy of a model on a question set, at the run's largest budget with its most force rounds."""

    question_set: str
    budget_tokens: int
    force_rounds: int
    questions: int
    accuracy: Proportion
    run_id: str
    measured_at: datetime
    """Aware, UTC."""


async def measurements(model: TunedModel, reading: BenchmarkReading) -> tuple[Measurement, ...]:
    """Measurements of a model, asked by its own profile, by question set; of each set the newest completed run's."""
    names = {model.id, model.id + VLLM_SUFFIX, str(model.weights)}
    runs = await reading.runs(with_archived=True, limit=_MOST_RUNS)
    asked = [run for run in runs if run.state is RunState.COMPLETED and any(_is(each, names) for each in run.models)]
    found: dict[str, Measurement] = {}
    cells = await reading.cells([run.id for run in asked]) if asked else ()
    for run in asked:
        for cell in _largest(run, cells, names):
            found.setdefault(cell.question_set, _measurement(run, cell))
    return tuple(found[name] for name in sorted(found))


def evaluation_section(found: Sequence[Measurement]) -> str:
    """The measurements as a section of the card; empty if there are none."""
    if not found:
        return ""
    rows = [
        f"| {_cell(each.question_set)} | {percent(each.accuracy.value)} | {percent(each.accuracy.low)} to "
        f"{percent(each.accuracy.high)} | {each.questions:,} | {each.budget_tokens:,} | {each.force_rounds} | "
        f"{each.measured_at:%Y-%m-%d} |"
        for each in found
    ]
    head = "| question set | accuracy | 95% interval | questions | thinking budget | force rounds | measured |"
    return "\n".join(
        [
            "## Evaluation",
            "",
            "Measured with m1app and scored by its rule `strict`; questions without an answer count as wrong.",
            "",
            head,
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def evaluation_results(found: Sequence[Measurement]) -> list[Any]:
    """The measurements for the model index, as `huggingface_hub.EvalResult`."""
    # Imported late: it reads the environment on import.
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="question-answering",
            task_name="Multiple-choice medical questions",
            dataset_type=_slug(each.question_set),
            dataset_name=each.question_set,
            metric_type="accuracy",
            metric_value=round(each.accuracy.value, 4),
            metric_name=f"accuracy, thinking budget {each.budget_tokens}, {each.force_rounds} force rounds, "
            f"{each.questions} questions",
        )
        for each in found
    ]


def _largest(run: BenchmarkRun, cells: Sequence[CellSummary], names: set[str]) -> list[CellSummary]:
    wanted = (max(run.budgets), max(run.force_rounds))
    return [
        each
        for each in cells
        if each.run_id == run.id
        and each.question_set != MACRO
        and (each.budget_tokens, each.force_rounds) == wanted
        and _is(each.model, names)
    ]


def _is(served: str, names: set[str]) -> bool:
    return served in names or read_served_name(served).model in names


def _measurement(run: BenchmarkRun, cell: CellSummary) -> Measurement:
    return Measurement(
        cell.question_set, cell.budget_tokens, cell.force_rounds, cell.n, cell.accuracy, run.id, run.created_at
    )


def _slug(name: str) -> str:
    return "-".join("".join(each if each.isalnum() else " " for each in name.lower()).split()) or "questions"


def _cell(text: str) -> str:
    """Escape untrusted text for a Markdown table cell."""
    for mark in "\\`*[]<>|!&":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
