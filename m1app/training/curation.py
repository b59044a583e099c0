"""Curates training data like m1's, reproducibly from a plan with a seed.

The steps are those of the paper (Huang et al. 2025, arXiv:2504.00869): drop questions of the evaluation sets, questions
that a model already answers, reasoning that does not reach the target, and duplicate questions; then draw evenly. Three
deviations: every evaluation set stored here is compared, at the n-gram share that `m1app.question_sets.overlap`
requires; the published code's verdicts on answers, which guess, are replaced by `verification`'s; and duplicates are
dropped last, because here a question may come with several reasonings, of which the first may be wrong.
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

LEAST_SAMPLES = 8
"""Fewer are rejected: half of m1's batch."""
FEW_SAMPLES = 100
"""Fewer cause a warning: they teach a format at best."""


class CurationPlan(BaseModel):
    """How samples are curated before training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deduplicate: bool = True
    overlap_ngram: int = NGRAM_WORDS
    """Words per n-gram in the comparison with evaluation sets; 8, or 0 to skip it."""
    verified_only: bool = True
    """Keep only answers that agree with their target; contradicting ones are always dropped."""
    balance: Literal["none", "domain", "source"] = "none"
    """What to balance the draw over; needs a limit."""
    limit: int | None = Field(default=None, ge=LEAST_SAMPLES)
    """Maximum number of samples; None takes all."""
    max_tokens: int | None = Field(default=32_768, ge=1)
    """Maximum tokens per sample; longer ones are dropped, never cut. None sets no limit."""
    min_reasoning_characters: int = Field(default=1, ge=0)
    seed: int = Field(default=0, ge=0)
    exclude_answered_by_run: str = ""
    """RUN, or RUN:MODEL for a run of several models: questions it answers right at its largest budget are dropped;
    empty drops none."""

    @field_validator("overlap_ngram")
    @classmethod
    def _known_length(cls, words: int) -> int:
        if words not in (0, NGRAM_WORDS):
            raise ValueError(f"must be {NGRAM_WORDS}, or 0 to compare with no evaluation set")
        return words

    @model_validator(mode="after")
    def _balance_has_a_limit(self) -> "CurationPlan":
        if self.balance != "none" and self.limit is None:
            raise ValueError(f"balancing by {self.balance} needs a limit: set how many samples to draw")
        return self


@dataclass(frozen=True, slots=True)
class Curated:
    """The remaining samples, and a report for each step."""

    samples: tuple[TrainingSample, ...]
    reports: tuple[StepReport, ...]
    """In order."""


def curate(
    samples: Sequence[TrainingSample],
    plan: CurationPlan,
    *,
    evaluation: Mapping[str, Sequence[str]],
    answered: Collection[str] = (),
    count_tokens: Callable[[str], int] | None = None,
) -> Curated:
    """Apply the plan; the same samples and plan always give the same data.

    Args:
        samples: input samples.
        plan: the steps and their parameters.
        evaluation: set name to its questions, each from `comparable_text`.
        answered: `samples.question_hash` of the questions that the plan's benchmark run answers right.
        count_tokens: counts the tokens of a text; see `limit_length`.

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
    # After the other drops, so that the first sound sample of each question is kept.
    if plan.deduplicate:
        steps.append(deduplicate)
    steps.append(lambda samples: draw(samples, plan.balance, plan.limit, plan.seed))
    return steps


def _too_little(read: int, left: int, reports: Sequence[StepReport]) -> str:
    dropped = [f"{report.before - report.kept:,} at {report.step}: {report.title}" for report in reports]
    lost = "\n".join(line for line, report in zip(dropped, reports, strict=True) if report.kept < report.before)
    return (
        f"{left:,} of {read:,} samples are left, but fine-tuning needs at least {LEAST_SAMPLES}; m1 used "
        f"1,000 to 23,000. Add more data, or leave out the step that dropped the most."
        + (f" Dropped:\n{lost}" if lost else "")
    )
