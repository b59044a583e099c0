"""Stored runs are read again by the present version of the rule, and what the earlier one read is kept."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from m1app.benchmark.errors import BenchmarkRefused
from m1app.benchmark.rescoring import Rescoring
from m1app.bootstrap import Services
from m1app.question.answers.scoring import STRICT_VERSION
from storage.annotations.records import AnnotationContent, Part
from storage.benchmarks.records import BenchmarkRun
from storage.errors import RecordNotFound
from tests.m1app.benchmark.test_service import STEMS, WRONG, keep_set, run_to_end, services_at
from tests.m1app.cli.command_line import run as run_command
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.models.engine.scripted_server import Script, serving

pytestmark = [pytest.mark.usefixtures("no_settings")]

RESULTS = (
    "select item_id, budget_tokens, letter, is_correct, is_answered, m1_letter from benchmark_result order by 1, 2"
)
ANSWERS = (
    "select id, letter, is_correct, letter_rule, letter_start, letter_end, strict_version from checkpoint order by 1"
)


def all_of(services: Services, query: str) -> list[tuple[object, ...]]:
    with services.database.session(is_read_only=True) as session:
        return [tuple(row) for row in session.execute(text(query))]


def pretend_version_1_read_it(services: Services, letter: str | None) -> None:
    """As if the first version had read `letter`, a wrong one, in every answer."""
    with services.database.session() as session:
        session.execute(text("update benchmark_run set strict_version = 1"))
        session.execute(
            text(
                "update checkpoint set letter = :letter, is_correct = 0, letter_rule = null, letter_start = null, "
                "letter_end = null, strict_version = null"
            ),
            {"letter": letter},
        )
        session.execute(
            text("update benchmark_result set letter = :letter, is_correct = 0, is_answered = :is_answered"),
            {"letter": letter, "is_answered": letter is not None},
        )


async def finished(services: Services) -> BenchmarkRun:
    keep_set(services, stems=STEMS[:3])
    return await run_to_end(services)


async def test_answers_are_read_again_and_what_was_read_before_is_kept(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            run = await finished(services)
            results, answers = all_of(services, RESULTS), all_of(services, ANSWERS)
            pretend_version_1_read_it(services, "A")
            assert all_of(services, RESULTS) != results
            places: list[tuple[int, int]] = []
            found = await services.benchmarks.rescore(run.id, lambda *place: places.append(place))
            n = len(answers)
            assert found == Rescoring(
                run_id=run.id,
                from_version=1,
                to_version=STRICT_VERSION,
                answers=n,
                other_letter=n,
                now_right=n,
                now_wrong=0,
            )
            assert places == [(3, 3)]
            assert (all_of(services, RESULTS), all_of(services, ANSWERS)) == (results, answers)
            assert (await services.benchmark_reading.get(run.id)).strict_version == STRICT_VERSION
            kept = all_of(services, "select strict_version, letter, is_correct from earlier_reading")
            assert kept == [(1, "A", 0)] * n
            rows = [row async for page in services.benchmark_reading.rows(run.id) for row in page]
            assert {(row["letter_strict"], row["earlier_letter"], row["earlier_is_correct"]) for row in rows} == {
                ("B", "A", False)
            }
            entry = (await services.access.audit.after(0))[-1]
            assert (entry.action, entry.subject) == ("benchmark_run.rescore", run.id)
            assert (entry.details["from_version"], entry.details["now_right"]) == (1, n)
            again = await services.benchmarks.rescore(run.id)
            assert (again.answers, again.from_version) == (0, STRICT_VERSION)


async def test_where_passes_turn_from_right_to_wrong_follows_what_is_read_again(tmp_path: Path) -> None:
    turned = "select is_after_right, is_flip from checkpoint order by trace_id, cut_tokens"
    with serving(Script(answering(lambda tokens: RIGHT if tokens < 32 else WRONG))) as script:
        async with services_at(tmp_path, script.url) as services:
            run = await finished(services)
            pretend_version_1_read_it(services, "A")
            with services.database.session() as session:
                session.execute(text("update checkpoint set is_after_right = 0, is_flip = 0"))
            await services.benchmarks.rescore(run.id)
            assert all_of(services, turned) == [(0, 0), (1, 1)] * 3


async def test_marks_are_counted_by_the_verdict_that_is_read_again(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            run = await finished(services)
            pretend_version_1_read_it(services, "A")
            case_id = str(all_of(services, "select min(id) from checkpoint")[0][0])
            said = AnnotationContent(part=Part.WHOLE, labels=("bias",), severity="mild")
            await services.annotations.save(case_id, "Ada", said)
            assert all_of(services, "select is_correct from annotation") == [(0,)]
            await services.benchmarks.rescore(run.id)
            assert all_of(services, "select is_correct from annotation") == [(1,)]


async def test_a_run_that_is_read_again_is_neither_running_nor_unknown(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            run = await finished(services)
            pretend_version_1_read_it(services, None)
            with services.database.session() as session:
                session.execute(text("update benchmark_run set state = 'running'"))
            with pytest.raises(BenchmarkRefused, match="stop its job first"):
                await services.benchmarks.rescore(run.id)
            with pytest.raises(RecordNotFound):
                await services.benchmarks.rescore("f" * 32)
            assert all_of(services, "select * from earlier_reading") == []


async def test_the_command_says_what_changed_and_needs_no_engine(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            run = await finished(services)
            pretend_version_1_read_it(services, None)
            n = len(all_of(services, ANSWERS))
    nowhere = {"M1_ENGINE_URL": "http://127.0.0.1:9"}
    done = run_command("bench", "--rescore", run.id, home=tmp_path, **nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"run {run.id}: {n} answers read again by version {STRICT_VERSION} of the rule strict (before: 1)",
        f"{n} with another letter, {n} now right, 0 now wrong",
    ]
    again = run_command("bench", "--rescore", run.id, "--json", home=tmp_path, **nowhere)
    assert json.loads(again.stdout)["answers"] == 0
    both = run_command("bench", "--rescore", run.id, "--resume", run.id, home=tmp_path, **nowhere)
    assert both.returncode == 1 and "cannot be combined" in both.stderr
