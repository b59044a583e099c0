"""Curation of training data as m1's was curated, reproducible from a plan with its seed.

The steps are those of the paper (Huang et al. 2025, arXiv:2504.00869): questions of the evaluation sets, questions
that a model answers already, reasoning that does not reach the target, questions that stand twice; then an even draw.
Three deviations: every evaluation set that is here is compared, at the share of n-grams that
`m1app.question_sets.overlap` asks for; the published code's verdicts on answers, which guess, are replaced by
`verification`'s; and duplicates go last, for here a question may come with several reasonings, of which the first may
be the wrong one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from m1app.question_sets.overlap import NGRAM_WORDS
from m1app.training.curation_steps import (
    Step,
    StepReport,
    check_answers,
    deduplicate,
    draw,
    drop_answered,
    drop_overlap,
    limit_length,
)
from m1app.training.errors import TooLittleData
from m1app.training.samples import TrainingSample

__all__ = ["FEW_SAMPLES", "LEAST_SAMPLES", "Curated", "CurationPlan", "StepReport", "curate"]

LEAST_SAMPLES = 8
"""Fewer are refused: half of m1's batch."""
FEW_SAMPLES = 100
"""Fewer are warned of: they teach a format at best."""


class CurationPlan(BaseModel):
    """What is done to samples before they are trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deduplicate: bool = True
    overlap_ngram: int = NGRAM_WORDS
    """Words of a run that two questions share; 8, or 0 to leave the comparison with evaluation sets out."""
    verified_only: bool = True
    """Keep only answers that agree with their target; those that contradict it are dropped in any case."""
    balance: Literal["none", "domain", "source"] = "none"
    """What a draw is even over; needs a limit."""
    limit: int | None = Field(default=None, ge=LEAST_SAMPLES)
    """Most samples; None takes all."""
    max_tokens: int | None = Field(default=32_768, ge=1)
    """Most tokens of a sample; longer ones are dropped, never cut. None sets no limit."""
    min_reasoning_characters: int = Field(default=1, ge=0)
    seed: int = Field(default=0, ge=0)
    exclude_answered_by_run: str = ""
    """RUN, or RUN:MODEL of several models: what that answers right at its largest budget is left out; empty leaves
    nothing out."""

    @field_validator("overlap_ngram")
    @classmethod
    def _known_length(cls, words: int) -> int:
        if words not in (0, NGRAM_WORDS):
            raise ValueError(f"must be {NGRAM_WORDS}, or 0 to compare with no evaluation set")
        return words

    @model_validator(mode="after")
    def _balance_has_a_limit(self) -> "CurationPlan":
        if self.balance != "none" and self.limit is None:
            raise ValueError(f"balance by {self.balance} needs a limit: say how many samples to draw evenly")
        return self


@dataclass(frozen=True, slots=True)
class Curated:
    """Samples that are left, and what every step did."""

    samples: tuple[TrainingSample, ...]
    reports: tuple[StepReport, ...]
    """In the order of the steps."""


def curate(
    samples: Sequence[TrainingSample],
    plan: CurationPlan,
    *,
    evaluation: Mapping[str, Sequence[str]],
    answered: Collection[str] = (),
    count_tokens: Callable[[str], int] | None = None,
) -> Curated:
    """Apply the plan; equal samples and plan give equal data.

    Args:
        samples: as they were read.
        plan: which steps, and how.
        evaluation: evaluation set's name to its questions, as `curation_steps.comparable_text` gives each.
        answered: `samples.question_hash` of the questions that the plan's benchmark run answers right.
        count_tokens: tokens of a text; see `curation_steps.limit_length`.

    Raises:
        TooLittleData: fewer than eight samples are left.
    """
    left = tuple(samples)
    reports: list[StepReport] = []
    for step in _steps(plan, evaluation, answered, count_tokens):
        left, report = step(left)
        reports.append(report)
    if len(left) < LEAST_SAMPLES:
        raise TooLittleData(_too_little(len(samples), len(left), reports))
    return Curated(left, tuple(reports))


def _steps(
    plan: CurationPlan,
    evaluation: Mapping[str, Sequence[str]],
    answered: Collection[str],
    count_tokens: Callable[[str], int] | None,
) -> list[Callable[[Sequence[TrainingSample]], Step]]:
    steps: list[Callable[[Sequence[TrainingSample]], Step]] = []
    if plan.overlap_ngram:
        steps.append(lambda samples: drop_overlap(samples, evaluation))
    if plan.exclude_answered_by_run:
        steps.append(lambda samples: drop_answered(samples, answered, plan.exclude_answered_by_run))
    steps.append(lambda samples: check_answers(samples, is_verified_only=plan.verified_only))
    steps.append(lambda samples: limit_length(samples, plan.min_reasoning_characters, plan.max_tokens, count_tokens))
    # Last of those that drop: of a question's samples the first that is sound is kept.
    if plan.deduplicate:
        steps.append(deduplicate)
    steps.append(lambda samples: draw(samples, plan.balance, plan.limit, plan.seed))
    return steps


def _too_little(read: int, left: int, reports: Sequence[StepReport]) -> str:
    dropped = [f"{report.before - report.kept:,} at {report.step}: {report.title}" for report in reports]
    lost = "\n".join(line for line, report in zip(dropped, reports, strict=True) if report.kept < report.before)
    return (
        f"{left:,} of {read:,} samples are left, and a training needs at least {LEAST_SAMPLES}; m1 was trained on "
        f"1,000 to 23,000. Give more data, or leave out the step that dropped most."
        + (f" Dropped were:\n{lost}" if lost else "")
    )
