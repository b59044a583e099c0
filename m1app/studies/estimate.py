"""What a study may cost, by run, set and model: tokens, hours, money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.strategy_plan import estimates
from m1app.runs.sweeps import SweepService
from m1app.studies.checking import Problem, Resolved
from m1app.studies.study_file import Study

_PER_PRICE = 1_000_000
FACT_TESTS = "fact tests"
"""In place of a run's id; no run has it."""


@dataclass(frozen=True, slots=True)
class CostPart:
    """One set asked of one model in one run; or facts on questions of a set, tested on one model."""

    run_id: str
    """Of the study's file; `FACT_TESTS` for facts."""
    question_set: str
    """In the study."""
    role: str
    model: str
    """The served model; empty while none is chosen."""
    questions: int | None
    """Or facts. None if the set is not here and its size is not published."""
    tokens_at_most: int | None
    seconds_at_most: float | None
    """At the rate of the model's newest run; None if it has none."""


@dataclass(frozen=True, slots=True)
class StudyEstimate:
    """The most that a study may cost: models often stop earlier."""

    parts: Sequence[CostPart]
    tokens_at_most: int | None
    """None if it is not known for a part."""
    seconds_at_most: float | None
    """Of the parts one after the other; None if it is not known for a part."""
    money_at_most: float | None
    """In the study's currency; None without a price."""
    problems: Sequence[Problem]
    """What keeps it from being started."""
    other_sizes: Sequence[str]
    """Sets of another size than the official one."""
    models: Mapping[str, str]
    """Role -> served model, those that were proposed too."""
    sets: Mapping[str, str]
    """The study's name of each set -> that of the set of this installation."""


def summed(study: Study, parts: Sequence[CostPart], resolved: Resolved) -> StudyEstimate:
    """The estimate of all parts together."""
    tokens = [each.tokens_at_most for each in parts]
    seconds = [each.seconds_at_most for each in parts]
    of_all = None if None in tokens else sum(each for each in tokens if each is not None)
    price = study.price_per_million_tokens
    return StudyEstimate(
        parts=tuple(parts),
        tokens_at_most=of_all,
        seconds_at_most=None if None in seconds else sum(each for each in seconds if each is not None),
        money_at_most=None if price is None or of_all is None else of_all * price / _PER_PRICE,
        problems=resolved.problems,
        other_sizes=resolved.other_sizes,
        models=resolved.models,
        sets=resolved.sets,
    )


def tokens_of_questions(recipe: BenchmarkRecipe, questions: int) -> int:
    """Most tokens that a recipe of one set and model generates for questions with options; the set need not be here."""
    recipe = recipe.checked()
    of_one = SweepService.estimate(recipe.sweep(), has_options=True).tokens_at_most
    budget = recipe.strategy_tokens
    if budget is not None:
        found = estimates(recipe.choices, budget, max(recipe.budgets), recipe.answer_cap_tokens)
        of_one += sum(each.asked_at_most for each in found)
    return questions * of_one
