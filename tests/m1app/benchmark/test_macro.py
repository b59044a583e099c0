"""The macro average of stored runs whose questions were asked several times."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.tables import points_table
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from storage.benchmarks.records import BenchmarkResult, BenchmarkRun, ItemState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.questions.repository import QuestionRepository
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of
from tests.m1app.benchmark.stored_open_run import store_run_with_open_set

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


def verdict(item_id: str, pass_number: int, is_correct: bool) -> BenchmarkResult:
    """By the strict rule; the published scorer takes every answer."""
    return BenchmarkResult(
        item_id=item_id,
        pass_number=pass_number,
        budget_tokens=128,
        force_rounds=0,
        letter="A" if is_correct else "B",
        is_correct=is_correct,
        m1_letter="A",
        m1_is_correct=True,
        thinking_tokens=100,
        tokens_if_separate=120,
        checkpoint_id=None,
    )


def store_passes(services: Services, passes: int, right: Mapping[str, Sequence[int]]) -> BenchmarkRun:
    """A run of one cell; `right` says of each question of a set in how many passes it is right."""
    run = a_run(question_sets=tuple(right), budgets=(128,), force_rounds=(0,), passes=passes, temperature=0.7)
    with services.database.session() as session:
        plan = [
            PlannedItem(number, 0, QuestionRepository(session).upsert(question).id)
            for number, name in enumerate(right)
            for question in questions_of(name, len(right[name]))
        ]
        runs = BenchmarkRepository(session)
        planned = runs.add(run, plan)
        counts = [count for of_set in right.values() for count in of_set]
        for item, count in zip(runs.waiting(planned.id), counts, strict=True):
            results = [verdict(item.id, number, number < count) for number in range(passes)]
            runs.finish(item.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1)
    return planned


async def read_cells(services: Services, run: BenchmarkRun, rule: str = "strict") -> dict[str, CellSummary]:
    return {cell.question_set: cell for cell in await services.benchmark_reading.cells([run.id], rule)}


async def test_macro_row_is_the_mean_of_the_sets_rows_with_several_passes(services: Services) -> None:
    # 3 of 6 right made 2 of 3 questions when passes were divided out: 66.7% beside two sets at 50%.
    run = store_passes(services, 2, {"MedQA": (2, 1, 0), "NEJM": (1, 2, 0)})
    cells = await read_cells(services, run)
    assert [cells[name].accuracy.value for name in ("MedQA", "NEJM", MACRO)] == [0.5, 0.5, 0.5]
    assert (cells[MACRO].n, cells[MACRO].accuracy.n) == (6, 12)
    assert (await read_cells(services, run, "m1"))[MACRO].accuracy.value == 1.0


async def test_a_few_questions_are_few_however_often_they_were_asked(services: Services) -> None:
    # 8 questions asked 4 times were "n = 32", without the caution for fewer than 30 questions.
    run = store_passes(services, 4, {"MedQA": (4, 3, 2, 1, 0, 0, 4, 4)})
    cells = await services.benchmark_reading.cells([run.id])
    assert [cell.n for cell in cells] == [8]
    points = points_table(cells, cells, {run.id: "run"})
    assert [cell.mark for row in points.rows for cell in row.cells if cell.text == "8"] == ["few"]


async def test_macro_row_of_sets_of_other_sizes_counts_each_the_same(services: Services) -> None:
    cells = await read_cells(services, store_passes(services, 3, {"MedQA": (1, 2), "NEJM": (3, 2, 0, 0, 0)}))
    assert cells[MACRO].accuracy.value == pytest.approx((3 / 6 + 5 / 15) / 2)


async def test_passes_of_a_question_that_agree_make_the_macro_row_no_surer(services: Services) -> None:
    once = await read_cells(services, store_passes(services, 1, {"MedQA": (1, 1, 1), "NEJM": (0, 0, 0)}))
    often = await read_cells(services, store_passes(services, 4, {"MedQA": (4, 4, 4), "NEJM": (0, 0, 0)}))
    one, four = once[MACRO].accuracy, often[MACRO].accuracy
    assert (one.low, one.high) == pytest.approx((four.low, four.high))
    assert one.low < 0.2 and one.high > 0.8


async def test_a_set_of_open_questions_is_no_part_of_the_macro_row(services: Services) -> None:
    # Such a run had no macro row at all, and its first view was empty.
    run = store_run_with_open_set(services.database, "MedQA", "NEJM")
    cells = await read_cells(services, run)
    assert set(cells) == {"MedQA", "NEJM", MACRO}
    assert cells[MACRO].n == 4
    assert await services.benchmark_reading.open_sets([run.id]) == ("Open",)


async def test_one_set_with_options_beside_an_open_one_has_no_macro_row(services: Services) -> None:
    run = store_run_with_open_set(services.database, "MedQA")
    assert set(await read_cells(services, run)) == {"MedQA"}
