"""The two readings of a stored study's accuracies, against its cells and the paper's numbers."""

import math
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import fmean

import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.studies.words import best_words
from tests.m1app.studies.report.study_samples import store_study

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


async def test_the_best_reading_of_the_mean_is_the_mean_of_the_sets_best_ones_as_in_the_papers_table(
    services: Services,
) -> None:
    outcome = await services.study_reading.outcome(store_study(services.database).id)
    cells = [each for each in outcome.cells["main"] if each.question_set and each.force_rounds == 0]
    best = {
        name: max(each.accuracy.value for each in cells if each.question_set == name)
        for name in ("my MedQA", "my NEJM")
    }
    (mean,) = [each for each in outcome.readings if not each.question_set and each.force_rounds == 0]
    assert mean.best_of_budgets.value == pytest.approx(fmean(best.values()))
    assert mean.best_budget_tokens is None and math.isnan(mean.best_of_budgets.low)
    assert best_words(mean) == f"{mean.best_of_budgets.value:.1%}, each set at its own best"
    (medqa,) = [each for each in outcome.readings if each.question_set == "MedQA" and each.force_rounds == 0]
    assert medqa.best_of_budgets.value == best["my MedQA"]
    assert best_words(medqa).endswith(f"at {medqa.best_budget_tokens:,}")
