"""Two studies beside each other: the same questions are compared, and what was asked otherwise is said."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from m1app.benchmark.model_pairs import Verdicts
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.studies.comparison import compare_studies
from m1app.studies.errors import StudyRefused
from m1app.studies.records import StudyOutcome, Verdict
from m1app.studies.values import compared_value
from storage.benchmarks.records import BenchmarkRun
from tests.m1app.studies.report.study_samples import STUDY, a_study, store_study

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


async def test_a_role_is_compared_on_the_questions_that_both_studies_asked(services: Services) -> None:
    first = await a_study(services.database, name="june")
    second = await a_study(services.database, name="july", model="m1-32b")
    cells = [(budget, rounds) for budget in (128, 512, 2048) for rounds in (0, 1)]
    # In every cell another number of questions turns right; question "z" was asked by the second study only.
    ours = {cell: {f"q{n}": n % 2 == 0 for n in range(40)} for cell in cells}
    theirs = {
        cell: {f"q{n}": n % 2 == 0 or n < 4 * place for n in range(40)} | {"z": True}
        for place, cell in enumerate(cells)
    }
    verdicts = {
        _run(first).id: {("m1-7b", cell): ours[cell] for cell in cells},
        _run(second).id: {("m1-32b", cell): theirs[cell] for cell in cells},
    }
    compared = compare_studies(first, second, verdicts)
    assert [(each.budget_tokens, each.force_rounds) for each in compared.cells] == cells
    assert {(each.run_id, each.role, each.models, each.comparison.n) for each in compared.cells} == {
        ("main", "small", ("m1-7b", "m1-32b"), 40)
    }
    gained = [each.comparison.gained for each in compared.cells]
    assert gained == [0, 2, 4, 6, 8, 10]
    assert [each.comparison.difference for each in compared.cells] == [pytest.approx(n / 40) for n in gained]
    p_values = [binomtest(n, n, 0.5).pvalue if n else 1.0 for n in gained]
    expected = multipletests(p_values, method="holm")[1]
    assert [each.corrected_p for each in compared.cells] == pytest.approx(list(expected))


def _run(outcome: StudyOutcome) -> BenchmarkRun:
    return next(each.benchmark for each in outcome.parts if each.benchmark)


async def test_a_contradiction_is_two_decided_verdicts_that_differ(services: Services) -> None:
    first = await a_study(services.database, name="june")
    second = await a_study(services.database, name="july")
    holds = replace(first.claims[0], verdict=Verdict.HOLDS)
    for verdict, is_one in [(Verdict.DOES_NOT_HOLD, True), (Verdict.HOLDS, False), (Verdict.NOT_DECIDABLE, False)]:
        theirs = replace(second.claims[0], verdict=verdict)
        compared = compare_studies(
            replace(first, claims=(holds,)), replace(second, claims=(theirs,)), _none(first, second)
        )
        assert [each.is_contradiction for each in compared.claims] == [is_one]


def _none(*outcomes: StudyOutcome) -> dict[str, Verdicts]:
    return {_run(each).id: {} for each in outcomes}


async def test_what_was_asked_otherwise_is_said_and_a_claim_of_one_study_is_left_out(services: Services) -> None:
    other_text = STUDY.replace('rule = "m1"', 'rule = "strict"').replace(
        'text = "Thinking helps."', 'text = "It harms."'
    )
    first = await a_study(services.database, name="june")
    second = await a_study(services.database, name="july", text=other_text, temperature=0.6, is_demo=True)
    compared = compare_studies(first, second, _none(first, second))
    said = " ".join(compared.differences)
    assert "july is scored by the rule strict" in said
    assert "1 of their claims differ between the two" in said
    assert "temperature (0.0, 0.6)" in said
    assert "The verdicts of july mean nothing" in said
    assert "gains" not in [each.claim.id for each in compared.claims]
    assert compared_value(compared)["cells"] == []


async def test_a_study_is_not_compared_with_itself_nor_with_one_that_shares_no_run(services: Services) -> None:
    stored = store_study(services.database)
    with pytest.raises(StudyRefused, match="cannot be compared with itself"):
        await services.study_reading.compare(stored.id, stored.id)
    renamed = STUDY.replace('"main"', '"first"').replace('name = "thinking-helps"', 'name = "other"')
    other = store_study(services.database, name="other", text=renamed, runs={"first": stored.runs["main"]})
    with pytest.raises(StudyRefused, match="have no run in common"):
        await services.study_reading.compare(stored.id, other.id)


async def test_stored_studies_are_compared_by_the_answers_of_their_runs(services: Services) -> None:
    first, second = store_study(services.database), store_study(services.database, name="again")
    compared = await services.study_reading.compare(first.id, second.id)
    assert len(compared.cells) == 6
    # The same made-up answers: nothing changed, on all 100 questions.
    assert {(each.comparison.gained, each.comparison.lost, each.comparison.n) for each in compared.cells} == {
        (0, 0, 100)
    }
    assert len(compared.claims) == 3 and not any(each.is_contradiction for each in compared.claims)
