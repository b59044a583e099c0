"""Two started studies beside each other: of two models, or the same one at two dates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.intervals import PairedComparison
from m1app.benchmark.model_pairs import Verdicts, asked_otherwise
from m1app.studies.records import ClaimOutcome, StudyOutcome, Verdict
from m1app.studies.study_file import Claim
from storage.benchmarks.records import BenchmarkRun

_DECIDED = (Verdict.HOLDS, Verdict.DOES_NOT_HOLD)


@dataclass(frozen=True, slots=True)
class ComparedClaim:
    """A claim that both studies test in the same way."""

    claim: Claim
    first: ClaimOutcome
    second: ClaimOutcome

    @property
    def is_contradiction(self) -> bool:
        """One study shows the claim, the other its opposite."""
        verdicts = (self.first.verdict, self.second.verdict)
        return all(each in _DECIDED for each in verdicts) and verdicts[0] is not verdicts[1]


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """A role's answers in one cell of a run, on the questions that both studies asked."""

    run_id: str
    """Of the studies' files."""
    role: str
    models: tuple[str, str]
    """Who played it in the first study, and in the second."""
    budget_tokens: int
    force_rounds: int
    comparison: PairedComparison
    """The second study's accuracy minus the first's."""
    corrected_p: float
    """After Holm, among all cells that were compared."""


@dataclass(frozen=True, slots=True)
class ComparedStudies:
    """What two studies have in common, and in what they differ."""

    first: StudyOutcome
    second: StudyOutcome
    claims: tuple[ComparedClaim, ...]
    cells: tuple[ComparedCell, ...]
    differences: tuple[str, ...]
    """In what they were asked or read otherwise, in words; what they do not share is not compared."""


def shared_runs(first: StudyOutcome, second: StudyOutcome) -> dict[str, tuple[BenchmarkRun, BenchmarkRun]]:
    """By run id of the studies' files, the benchmark runs of both."""
    of = [{part.run_id: part.benchmark for part in each.parts if part.benchmark} for each in (first, second)]
    return {run_id: (run, of[1][run_id]) for run_id, run in of[0].items() if run_id in of[1]}


def compare_studies(first: StudyOutcome, second: StudyOutcome, verdicts: Mapping[str, Verdicts]) -> ComparedStudies:
    """Compare two studies claim by claim and cell by cell. Takes seconds; call it in a thread.

    Args:
        first: an outcome.
        second: the other's.
        verdicts: benchmark run id -> its verdicts by the first study's rule, of the runs in `shared_runs`.
    """
    from m1app.benchmark.statistics import compare_paired, holm  # Here, because they take seconds to load.

    found = [(key, compare_paired(one, two)) for key, one, two in _cells(first, second, verdicts)]
    corrected = holm([comparison.p_value for _, comparison in found])
    cells = [
        ComparedCell(run_id, role, models, *cell, comparison, p)
        for ((run_id, role, models, cell), comparison), p in zip(found, corrected, strict=True)
    ]
    theirs = {each.claim.id: each for each in second.claims}
    claims = [
        ComparedClaim(each.claim, each, theirs[each.claim.id])
        for each in first.claims
        if each.claim.id in theirs and theirs[each.claim.id].claim == each.claim
    ]
    return ComparedStudies(first, second, tuple(claims), tuple(cells), tuple(_differences(first, second, len(claims))))


_Key = tuple[str, str, tuple[str, str], tuple[int, int]]


def _cells(
    first: StudyOutcome, second: StudyOutcome, verdicts: Mapping[str, Verdicts]
) -> Iterator[tuple[_Key, list[bool], list[bool]]]:
    """A cell with its run, role and models; and the verdicts of both studies on the same questions."""
    for run_id, (one, two) in shared_runs(first, second).items():
        roles = [role for role in first.study.run(run_id).models if role in first.models and role in second.models]
        cells = [(budget, rounds) for budget in one.budgets for rounds in one.force_rounds]
        for role in roles:
            models = (first.models[role], second.models[role])
            for cell in cells:
                ours, theirs = verdicts[one.id].get((models[0], cell), {}), verdicts[two.id].get((models[1], cell), {})
                if both := [question for question in ours if question in theirs]:
                    yield (run_id, role, models, cell), [ours[each] for each in both], [theirs[each] for each in both]


def _differences(first: StudyOutcome, second: StudyOutcome, claims: int) -> Iterator[str]:
    if first.study.rule != second.study.rule:
        yield (
            f"{second.name} is scored by the rule {second.study.rule}, and so are its claims; the cells here are "
            f"scored by the rule {first.study.rule}."
        )
    if first.study.protocol != second.study.protocol:
        yield f"The protocol of {first.name} is {first.study.protocol}, that of {second.name} {second.study.protocol}."
    left_out = max(len(first.claims), len(second.claims)) - claims
    if left_out:
        yield f"{left_out} of their claims differ between the two and are left out."
    for run_id, runs in shared_runs(first, second).items():
        if otherwise := asked_otherwise(runs):
            yield f"{run_id}: {otherwise}"
    for name in _demo(first, second):
        yield f"The verdicts of {name} mean nothing: the demo model answers at chance level."


def _demo(*outcomes: StudyOutcome) -> Sequence[str]:
    return [each.name for each in outcomes if each.is_demo]
