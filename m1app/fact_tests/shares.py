"""Knowledge or reasoning: which share of the tested failures one fact explains, and what clinicians' labels say. Pure.

A failure is a mark on an answer; its latest finished test counts. Tests of facts that name the target, and tests that
decided nothing, are counted apart.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from m1app.annotation.agreement import Estimate
from m1app.benchmark.intervals import Proportion, wilson
from m1app.fact_tests.verdict import VerdictKind
from storage.fact_tests.records import FactTestSummary

KNOWLEDGE, INFERENCE = "knowledge_gap", "faulty_inference"
"""Labels that say what a failure was of."""
_DECIDED = tuple(kind.value for kind in VerdictKind if kind is not VerdictKind.NOT_DECIDABLE)
_EXPECTED = {KNOWLEDGE: VerdictKind.KNOWLEDGE_MISSING.value, INFERENCE: VerdictKind.DID_NOT_HELP.value}


@dataclass(frozen=True, slots=True)
class ExplainedShare:
    """Failures of one model, of one thinking budget, with one label or with one tag."""

    name: str
    """Of the model, label or tag, or the tokens of the budget; empty for all."""
    explained: Proportion
    """Share of the decided tests that found knowledge missing, with its Wilson interval."""
    verdicts: Mapping[str, int]
    """Decided verdict -> tests."""


@dataclass(frozen=True, slots=True)
class LabelAgreement:
    """Labels that say knowledge or inference, against the verdict of the test of the same mark."""

    counts: Mapping[tuple[str, str], int]
    """(label, decided verdict) -> marks that have this of the two labels only."""
    kappa: Estimate
    """Cohen's kappa of label and verdict, over the marks whose test found knowledge missing or the fact of no help.

    The other two verdicts say neither, so they have no label to agree with.
    """
    disagreements: Sequence[FactTestSummary]
    """Latest tests of the marks whose label is not what the verdict says, newest first."""

    @property
    def total(self) -> int:
        """Marks."""
        return sum(self.counts.values())

    @property
    def agreed(self) -> int:
        """Marks whose label is what the verdict says."""
        return sum(self.counts.get(pair, 0) for pair in _EXPECTED.items())


@dataclass(frozen=True, slots=True)
class FactShares:
    """All tests, counted."""

    all: ExplainedShare
    by_model: Sequence[ExplainedShare]
    by_label: Sequence[ExplainedShare]
    by_tag: Sequence[ExplainedShare]
    """Tags of the questions, such as specialties."""
    by_budget: Sequence[ExplainedShare]
    """Thinking budgets of the failures, the smallest first."""
    agreement: LabelAgreement
    undecided: int
    """Failures whose latest test decided nothing."""
    naming: int
    """Failures whose latest test was of a fact that names the target."""
    naming_explained: int
    """Those of them that found knowledge missing."""


def shares_of(tests: Iterable[FactTestSummary]) -> FactShares:
    """Count tests, given newest first. Computes a bootstrap interval: call it in a thread."""
    latest: dict[tuple[str, str], FactTestSummary] = {}
    for test in tests:
        if test.verdict:
            latest.setdefault((test.case_id, test.annotation_id or ""), test)
    naming = [each for each in latest.values() if each.names_target]
    rest = [each for each in latest.values() if not each.names_target]
    decided = [each for each in rest if _kind(each) in _DECIDED]
    by_budget = _shares(decided, lambda each: (f"{each.thinking_budget_tokens}",))
    return FactShares(
        _share("", decided),
        _shares(decided, lambda each: (each.model,)),
        _shares(decided, lambda each: each.labels),
        _shares(decided, lambda each: each.tags),
        sorted(by_budget, key=lambda share: int(share.name)),
        _agreement(decided),
        len(rest) - len(decided),
        len(naming),
        sum(_kind(each) == VerdictKind.KNOWLEDGE_MISSING for each in naming),
    )


def _shares(
    tests: Iterable[FactTestSummary], names_of: Callable[[FactTestSummary], Sequence[str]]
) -> Sequence[ExplainedShare]:
    """A share for each name, sorted by name; a test counts once for each of its names."""
    named: dict[str, list[FactTestSummary]] = defaultdict(list)
    for each in tests:
        for name in dict.fromkeys(names_of(each)):
            named[name].append(each)
    return [_share(name, named[name]) for name in sorted(named)]


def _kind(test: FactTestSummary) -> str:
    return str(test.verdict.get("kind", ""))


def _share(name: str, tests: Sequence[FactTestSummary]) -> ExplainedShare:
    verdicts = Counter(map(_kind, tests))
    return ExplainedShare(name, wilson(verdicts[VerdictKind.KNOWLEDGE_MISSING.value], len(tests)), dict(verdicts))


def _agreement(tests: Iterable[FactTestSummary]) -> LabelAgreement:
    # Imported here: the statistics libraries take a second.
    from m1app.annotation.agreement_statistics import kappa_of_pairs

    labelled = [
        (said[0], each) for each in tests if len(said := [label for label in _EXPECTED if label in each.labels]) == 1
    ]
    verdicts = list(_EXPECTED.values())
    return LabelAgreement(
        dict(Counter((label, _kind(each)) for label, each in labelled)),
        kappa_of_pairs(
            [
                (verdicts.index(_EXPECTED[label]), verdicts.index(_kind(each)))
                for label, each in labelled
                if _kind(each) in verdicts
            ]
        ),
        [each for label, each in labelled if _kind(each) != _EXPECTED[label]],
    )
