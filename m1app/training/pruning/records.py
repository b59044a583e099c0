"""What pruning did: to a sample, and to a data set."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from m1app.training.pruning.reasoning_steps import FUNCTIONAL, StepLabel
from m1app.wording import counted, percent


class Outcome(StrEnum):
    """What happened to a sample; all but the first keep it whole. The values are shown to people."""

    PRUNED = "pruned"
    NOTHING = "no functional step to prune"
    OPEN = "open question, without options"
    NO_TARGET = "no target among its options"
    SEVERAL = "several right options"
    TOO_MANY = "too many functional steps"
    TOO_LONG = "does not fit the model's context"
    NO_PROBABILITIES = "the engine returned no probabilities"
    UNLIKELY = "the target is not among the engine's likeliest tokens"
    LESS_PROBABLE = "the target is less probable after the pruned reasoning"
    BY_HAND = "changed by hand after the build"
    TOO_SHORT = "fewer characters of reasoning than the plan requires"


@dataclass(frozen=True, slots=True)
class SampleStep:
    """A step of a sample's reasoning as it was before pruning."""

    text: str
    label: StepLabel
    importance: float | None = None
    """Loss of log p(target) without it, in nats; None for progressive steps, and where it was not probed."""
    is_pruned: bool = False


@dataclass(frozen=True, slots=True)
class SamplePruning:
    """What pruning did to one sample."""

    outcome: Outcome
    question: str
    steps: tuple[SampleStep, ...] = ()
    """Empty if the sample was not probed."""
    whole_probability: float | None = None
    """Of the target after the whole reasoning."""
    pruned_probability: float | None = None
    """Of the target after the pruned reasoning."""
    tokens_before: int = 0
    """Of the reasoning."""
    tokens_after: int = 0

    def as_row(self) -> dict[str, Any]:
        """The record as a JSON-compatible dict; `sample_pruning_of` is the inverse."""
        return asdict(self)


def sample_pruning_of(row: Mapping[str, Any]) -> SamplePruning:
    """Read a record written by `as_row`; raises KeyError, TypeError or ValueError if it is none."""
    steps = tuple(SampleStep(**(step | {"label": StepLabel(step["label"])})) for step in row["steps"])
    return SamplePruning(**(dict(row) | {"outcome": Outcome(row["outcome"]), "steps": steps}))


@dataclass(frozen=True, slots=True)
class ProbeCosts:
    """What the probes of a build cost."""

    requests: int = 0
    """Letter probes asked of the engine."""
    reused: int = 0
    """Letter probes known from an earlier try."""
    prompt_tokens: int = 0
    """Of the requests, those in the engine's cache included."""
    cached_tokens: int = 0
    """Of these, what the engine said it had in its cache."""
    generated_tokens: int = 0

    def plus(self, other: "ProbeCosts") -> "ProbeCosts":
        """Both together."""
        mine, theirs = asdict(self), asdict(other)
        return ProbeCosts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True)
class PruningSummary:
    """What pruning did to a data set; a part of its card."""

    model: str
    profile: str
    ratio: float
    samples: int
    pruned_samples: int
    tokens_before: int
    """Of the reasoning of all samples, as the model counts."""
    tokens_after: int
    functional: Mapping[str, int] = field(default_factory=dict)
    """Label to functional steps of the samples that were probed."""
    pruned: Mapping[str, int] = field(default_factory=dict)
    """Label to pruned steps."""
    kept_whole: Mapping[str, int] = field(default_factory=dict)
    """Reason to samples."""
    costs: ProbeCosts = field(default_factory=ProbeCosts)

    @property
    def saved(self) -> float:
        """Share of the reasoning's tokens, 0-1."""
        return 1 - self.tokens_after / self.tokens_before if self.tokens_before else 0.0


def summarise_pruning(
    done: Sequence[SamplePruning], model: str, profile: str, ratio: float, costs: ProbeCosts
) -> PruningSummary:
    """Sum up what was done to the samples."""
    kept = Counter(each.outcome.value for each in done if each.outcome is not Outcome.PRUNED)
    return PruningSummary(
        model=model,
        profile=profile,
        ratio=ratio,
        samples=len(done),
        pruned_samples=sum(each.outcome is Outcome.PRUNED for each in done),
        tokens_before=sum(each.tokens_before for each in done),
        tokens_after=sum(each.tokens_after for each in done),
        functional=_by_label(step for each in done for step in each.steps),
        pruned=_by_label(step for each in done for step in each.steps if step.is_pruned),
        kept_whole=dict(kept.most_common()),
        costs=costs,
    )


def summary_of(row: Mapping[str, Any]) -> PruningSummary:
    """Read a summary from its `asdict`; raises TypeError or KeyError if it is none."""
    return PruningSummary(**(dict(row) | {"costs": ProbeCosts(**row["costs"])}))


def saving_words(summary: PruningSummary) -> str:
    """What was saved, in a sentence without its full stop."""
    steps, functional = sum(summary.pruned.values()), sum(summary.functional.values())
    tokens = summary.tokens_before - summary.tokens_after
    return (
        f"{steps:,} of {counted(functional, 'functional step')} pruned in {counted(summary.pruned_samples, 'sample')}; "
        f"reasoning went from {summary.tokens_before:,} to {summary.tokens_after:,} tokens, "
        f"{tokens:,} less ({percent(summary.saved, 1)})"
    )


def label_shares(summary: PruningSummary) -> list[tuple[str, int, int]]:
    """Each functional label with the steps found and pruned."""
    return [(label.value, summary.functional.get(label, 0), summary.pruned.get(label, 0)) for label in FUNCTIONAL]


def _by_label(steps: Iterable[SampleStep]) -> dict[str, int]:
    counts = Counter(step.label for step in steps)
    return {label.value: counts[label] for label in FUNCTIONAL}
