"""What a benchmark run may cost: tokens and time, of its passes, its strategies and its judge."""

from dataclasses import dataclass

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.strategy_plan import StrategyEstimate, estimates
from m1app.judging.service import MOST_OF_A_VERDICT
from m1app.runs.sweeps import SweepService
from m1app.wording import counted


@dataclass(frozen=True, slots=True)
class BenchmarkEstimate:
    """What a run will do, and the most it may cost: models often stop earlier."""

    items: int
    """Questions times models."""
    cells: int
    """Cells of the grid."""
    results: int
    """Answers to score: items times cells times passes."""
    difference_to_find: float
    """Smallest difference of accuracies, 0-1, that 4 of 5 such runs would find, as `minimum_detectable_difference` says
    for settings that disagree on a fifth of the questions; NaN where there are too few questions for any."""
    tokens_at_most: int
    tokens_if_separate_at_most: int
    """Tokens that separate runs of every cell would generate."""
    strategies: tuple[StrategyEstimate, ...]
    """What each strategy may cost, for one question."""
    shared_at_most: int
    """Tokens that strategies need not generate, since the run's passes have them."""
    tokens_per_second: float | None
    """Measured in the newest run of the same models; None if there is none."""
    seconds_at_most: float | None
    open_questions: int = 0
    """Questions without options, of the sets; answers to them are judged."""
    judge_tokens_at_most: int = 0
    """Tokens of their judge, which `tokens_at_most` has too."""


def estimate_run(
    recipe: BenchmarkRecipe, questions: int, open_questions: int, tokens_per_second: float | None
) -> BenchmarkEstimate:
    """Estimate a run; the first call loads the statistics, which takes seconds.

    Args:
        recipe: checked.
        questions: that it asks each model.
        open_questions: of these.
        tokens_per_second: measured in the newest run of the same models; None if there is none.
    """
    from m1app.benchmark.statistics import minimum_detectable_difference

    items, cells = questions * max(1, len(recipe.models)), len(recipe.sweep().cells)
    of_one = SweepService.estimate(recipe.sweep(), has_options=True)
    strategies = _strategies(recipe)
    of_strategies = sum(each.tokens_at_most for each in strategies)
    newly = sum(each.asked_at_most for each in strategies)
    judged = open_questions * max(1, len(recipe.models)) * recipe.passes * cells * MOST_OF_A_VERDICT
    tokens = items * (of_one.tokens_at_most + newly) + judged
    return BenchmarkEstimate(
        items=items,
        cells=cells,
        results=items * recipe.passes * cells,
        difference_to_find=minimum_detectable_difference(questions),
        tokens_at_most=tokens,
        tokens_if_separate_at_most=items * (of_one.tokens_if_separate_at_most + of_strategies) + judged,
        open_questions=open_questions,
        judge_tokens_at_most=judged,
        strategies=strategies,
        shared_at_most=items * (of_strategies - newly),
        tokens_per_second=tokens_per_second,
        seconds_at_most=tokens / tokens_per_second if tokens_per_second else None,
    )


def judge_facts(estimate: BenchmarkEstimate) -> list[tuple[str, str]]:
    """What a dry run says of a judge, as name and text; empty without open questions."""
    if not estimate.open_questions:
        return []
    many = counted(estimate.open_questions, "open question")
    return [("Judge", f"{many}, at most {estimate.judge_tokens_at_most:,} tokens for verdicts on the answers")]


def _strategies(recipe: BenchmarkRecipe) -> tuple[StrategyEstimate, ...]:
    budget = recipe.strategy_tokens
    if budget is None:
        return ()
    return estimates(recipe.choices, budget, max(recipe.budgets), recipe.answer_cap_tokens)
