"""Models against each other on the same questions: every two of one or more runs, in every cell that both were asked.

`m1app.benchmark.statistics` takes seconds to load: it is imported where it is used.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from m1app.benchmark.descriptions import run_name
from m1app.benchmark.intervals import PairedComparison
from m1app.wording import counted, points
from storage.benchmarks.records import BenchmarkRun
from storage.benchmarks.results import CellKey

Verdicts = Mapping[tuple[str, CellKey], Mapping[str, bool]]
"""See `BenchmarkResultRepository.first_verdicts`."""
_ASKED_ALIKE = ("temperature", "top_p", "seed", "answer_cap_tokens", "system_prompt", "profile", "strict_version")
"""What has to be the same in two runs, so that a difference is that of their models."""


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two models in one cell."""

    model: str
    """Its name; with that of its run, if several runs have asked it."""
    other: str
    cell: CellKey
    """(thinking budget in tokens, force rounds)."""


@dataclass(frozen=True, slots=True)
class ComparedModels:
    """How the second model of a pair did, compared with the first."""

    pair: ModelPair
    comparison: PairedComparison
    corrected_p: float
    """After Holm, among all pairs and cells that were compared."""
    questions_needed: int | None
    """To show a difference of this size with a chance of 80%; None if there was none."""


@dataclass(frozen=True, slots=True)
class Detectable:
    """What a run can tell of two models."""

    questions: int
    """On which models were compared: the fewest of all pairs."""
    share_that_differs: float
    """The largest share of questions that one of two models had right and the other wrong."""
    difference: float
    """The smallest difference that this many questions show with a chance of 80%; NaN if they show none
    or no verdict differs."""


def compare_models(runs: Sequence[tuple[BenchmarkRun, Verdicts]]) -> tuple[ComparedModels, ...]:
    """Compare every two models on the questions that both have answered. Slow: run it in a thread.

    Args:
        runs: each with its verdicts; models are in the runs' order.
    """
    from m1app.benchmark.statistics import compare_paired, holm

    found = [(pair, compare_paired(first, second)) for pair, first, second in _paired(runs)]
    corrected = holm([comparison.p_value for _, comparison in found])
    return tuple(
        ComparedModels(pair, comparison, p, _questions_needed(comparison))
        for (pair, comparison), p in zip(found, corrected, strict=True)
    )


def _questions_needed(seen: PairedComparison) -> int | None:
    from m1app.benchmark.statistics import questions_to_detect

    if not seen.difference:
        return None
    return questions_to_detect(abs(seen.difference), _share_that_differs(seen))


def _share_that_differs(seen: PairedComparison) -> float:
    return (seen.gained + seen.lost) / seen.n


def _paired(runs: Sequence[tuple[BenchmarkRun, Verdicts]]) -> Iterator[tuple[ModelPair, list[bool], list[bool]]]:
    """Two models, a cell, and the verdicts of both on the same questions."""
    models = [(run, verdicts, model) for run, verdicts in runs for model in run.models]
    known = Counter(model for _, _, model in models)

    def name(run: BenchmarkRun, model: str) -> str:
        return f"{model} ({run_name(run)})" if known[model] > 1 else model

    for (run, verdicts, model), (other_run, other_verdicts, other) in combinations(models, 2):
        for cell in [(budget, rounds) for budget in run.budgets for rounds in run.force_rounds]:
            one, two = verdicts.get((model, cell), {}), other_verdicts.get((other, cell), {})
            if both := [question for question in one if question in two]:
                pair = ModelPair(name(run, model), name(other_run, other), cell)
                yield pair, [one[each] for each in both], [two[each] for each in both]


def asked_otherwise(runs: Sequence[BenchmarkRun]) -> str:
    """In what runs were asked otherwise, so that a difference need not be that of their models; empty if in nothing."""
    found = {name: list(dict.fromkeys(str(getattr(run, name)) for run in runs)) for name in _ASKED_ALIKE}
    different = [f"{name.replace('_', ' ')} ({', '.join(values)})" for name, values in found.items() if len(values) > 1]
    if not different:
        return ""
    return f"The runs were asked differently: {'; '.join(different)}. A difference may not come from the models."


def detectable(compared: Sequence[ComparedModels]) -> Detectable | None:
    """What a run with these comparisons can tell; None without any. Slow: run it in a thread."""
    from m1app.benchmark.statistics import minimum_detectable_difference

    if not compared:
        return None
    questions = min(each.comparison.n for each in compared)
    differs = max(_share_that_differs(each.comparison) for each in compared)
    least = minimum_detectable_difference(questions, differs) if differs else math.nan
    return Detectable(questions, differs, least)


def detectable_words(found: Detectable) -> str:
    """The same in words."""
    asked = counted(found.questions, "question")
    if found.share_that_differs == 0:
        return f"{asked}: no two models differ in any verdict."
    shown = (
        "are too few to show any difference"
        if math.isnan(found.difference)
        else f"show a difference of {points(found.difference).lstrip('+')} points or more"
    )
    return f"{asked}, of which two models differ in up to {found.share_that_differs:.0%}, {shown} with a chance of 80%."
