"""Models against each other on the same questions."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from m1app.benchmark.model_pairs import (
    ComparedModels,
    Verdicts,
    asked_otherwise,
    compare_models,
    detectable,
    detectable_words,
)
from storage.benchmarks.records import BenchmarkRun, RunState
from tests.m1app.benchmark.benchmark_samples import a_run

CELL = (256, 0)


def stored(**changes: Any) -> BenchmarkRun:
    plan = a_run(**({"models": ("base", "sft"), "budgets": (256,), "force_rounds": (0,)} | changes))
    now = datetime(2026, 11, 30, tzinfo=UTC)
    values = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
    return BenchmarkRun(
        **values, id="0" * 32, created_at=now, updated_at=now, state=RunState.COMPLETED, error="", owner="", tags=(),
        is_archived=False, items=0, items_done=0, items_failed=0, tokens_generated=0, tokens_if_separate=0, seconds=0.0,
    )  # fmt: skip


def verdicts(**right: Sequence[bool]) -> Verdicts:
    """Of the questions 0, 1, 2 in one cell, by model."""
    return {(model, CELL): {str(at): is_right for at, is_right in enumerate(of)} for model, of in right.items()}


def counts(both: int, lost: int, gained: int, neither: int) -> tuple[ComparedModels, ...]:
    """Two models with these verdicts."""
    base = [True] * (both + lost) + [False] * (gained + neither)
    sft = [True] * both + [False] * lost + [True] * gained + [False] * neither
    return compare_models([(stored(), verdicts(base=base, sft=sft))])


def test_every_two_models_are_compared_in_every_cell_that_both_were_asked() -> None:
    run = stored(models=("base", "sft", "dpo"), budgets=(128, 256))
    asked = {(model, (budget, 0)): {"q": True} for model in run.models for budget in run.budgets}
    del asked["dpo", (128, 0)]
    found = [(each.pair.model, each.pair.other, each.pair.cell[0]) for each in compare_models([(run, asked)])]
    assert found == [("base", "sft", 128), ("base", "sft", 256), ("base", "dpo", 256), ("sft", "dpo", 256)]
    assert compare_models([(stored(models=("base",)), verdicts(base=[True]))]) == ()


def test_p_values_are_corrected_among_all_pairs_that_were_asked() -> None:
    run = stored(models=("base", "sft", "dpo", "unasked"))
    asked = verdicts(base=[False] * 6 + [True] * 4, sft=[True] * 10, dpo=[False] * 6 + [True] * 4)
    first, second, third = compare_models([(run, asked)])
    assert (first.pair.other, second.pair.other, third.pair.model) == ("sft", "dpo", "sft")
    assert first.comparison.difference == pytest.approx(0.6)
    assert first.comparison.p_value == pytest.approx(2 / 2**6)
    # Three comparisons were made, not six.
    assert first.corrected_p == pytest.approx(3 * first.comparison.p_value)
    assert second.corrected_p == 1


def test_models_of_several_runs_are_compared_on_the_questions_that_they_share() -> None:
    before = stored(name="Before", models=("base",)), verdicts(base=[False, False, True])
    after = (
        stored(name="After", models=("sft", "base")),
        {
            ("sft", CELL): {"1": True, "2": True, "9": True},
            ("base", CELL): {"1": False},
        },
    )
    first, second, third = compare_models([before, after])
    assert (first.pair.model, first.pair.other, first.comparison.n) == ("base (Before)", "sft", 2)
    assert (first.comparison.gained, first.comparison.lost) == (1, 0)
    assert (second.pair.model, second.pair.other) == ("base (Before)", "base (After)")
    assert (third.pair.model, third.pair.other) == ("sft", "base (After)")


def test_what_runs_were_asked_otherwise_is_said() -> None:
    assert asked_otherwise([stored(), stored(name="After", models=("dpo",))]) == ""
    said = asked_otherwise([stored(), stored(answer_cap_tokens=48, temperature=0.6)])
    assert said.startswith("The runs were asked differently: temperature (0.0, 0.6); answer cap tokens (256, 48).")


def test_what_a_run_can_tell_is_said_with_the_questions_that_are_needed() -> None:
    (compared,) = counts(5, 3, 6, 16)
    assert compared.questions_needed == 234
    found = detectable([compared])
    assert found is not None
    assert (found.questions, found.share_that_differs) == (30, 0.3)
    said = detectable_words(found)
    assert said.startswith("30 questions, of which two models differ in up to 30%, show a difference of 26.")
    assert said.endswith(" points or more with a chance of 80%.")


def test_questions_that_show_nothing_are_said_to() -> None:
    (even,) = counts(5, 1, 1, 23)
    assert even.questions_needed is None
    few = detectable([even])
    assert few is not None and math.isnan(few.difference)
    assert detectable_words(few).endswith("are too few to show any difference with a chance of 80%.")
    same = detectable(counts(5, 0, 0, 25))
    assert same is not None
    assert detectable_words(same) == "30 questions: no two models differ in any verdict."
    assert detectable([]) is None
