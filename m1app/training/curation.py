"""Curates training data like m1's, reproducibly from a plan with a seed.

The steps are those of the paper (Huang et al. 2025, arXiv:2504.00869): drop questions of the evaluation sets, questions
that a model already answers, reasoning that does not reach the target, and duplicate questions; then draw evenly. Three
deviations: every evaluation set stored here is compared, at the n-gram share that `m1app.question_sets.overlap`
requires; the published code's verdicts on answers, which guess, are replaced by `verification`'s; and duplicates are
dropped last, because here a question may come with several reasonings, of which the first may be wrong. Pruning the
reasoning, which needs a model, is a step of the build, in `pruning`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from m1app.question_sets.overlap import NGRAM_WORDS
from m1app.training.curation_steps import (
    DroppedSample,
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
from m1app.training.preferences.pairs import PairSource, PreferencePair
from m1app.training.samples import TrainingSample

LEAST_SAMPLES = 8
"""Fewer are rejected: half of m1's batch."""
_ABOUT_OVERLAP = (
    "\nQuestions of imported sets are left out, because scores on these sets would become meaningless. To learn from "
    "a set, name it with --learn-from SET, for example a half made by `questions split`."
)
_ABOUT_VERIFY = (
    "\nTo keep answers that could not be checked, build a data set from the file: dataset build FILE --name NAME "
    "--keep-unverified, or --keep KEY for single samples, which --show-dropped lists."
)
FEW_SAMPLES = 100
"""Fewer cause a warning: they teach a format at best."""
DataKind = Literal["samples", "pairs"]
"""What a data set holds: samples, or preference pairs."""
_OF_SAMPLES = ("deduplicate", "keep", "facts_alone", "exclude_answered_by_run", "prune_steps", "prune_model")
"""Fields that do not apply to preference pairs."""


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
    keep: tuple[str, ...] = ()
    """`sample_key` of samples that somebody has read and keeps, whatever the step verify says of them."""
    facts_alone: bool = False
    """Corrections of questions that are evaluated here give a sample of the corrected fact, without the question."""
    learn_from: tuple[str, ...] = ()
    """Names of question sets that are here to be learned from: their questions are not compared for overlap."""
    min_reasoning_characters: int = Field(default=1, ge=0)
    seed: int = Field(default=0, ge=0)
    exclude_answered_by_run: str = ""
    """RUN, or RUN:MODEL for a run of several models: questions it answers right at its largest budget are dropped. Of
    several, with commas between them, those that each answers right: as for m1's data, what one of two models gets
    wrong is kept. Empty drops none."""
    prune_steps: float | None = Field(default=None, gt=0, le=1)
    """Share of each reasoning's functional steps to prune, see `m1app.training.pruning`; None prunes none. Done by the
    build, after the steps of `curate`."""
    prune_model: str = ""
    """Served model that says which steps matter; empty for the app's own."""
    pairs: tuple[PairSource, ...] = ()
    """Sources of preference pairs, instead of samples, see `m1app.training.preferences`; empty for samples."""
    pairs_per_question: int | None = Field(default=None, ge=1, le=64)
    """Most pairs of one question; None for 4, and for samples."""

    @property
    def kind(self) -> DataKind:
        """What is built."""
        return "pairs" if self.pairs else "samples"

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

    @model_validator(mode="after")
    def _fields_suit_the_kind(self) -> "CurationPlan":
        if not self.pairs:
            if self.pairs_per_question is not None:
                raise ValueError("pairs_per_question is for preference pairs: name their sources, such as passes")
            return self
        usual = type(self)()
        for name in _OF_SAMPLES:
            if getattr(self, name) != getattr(usual, name):
                raise ValueError(f"{name} is for samples, not for preference pairs: leave it out")
        return self


@dataclass(frozen=True, slots=True)
class Curated:
    """The remaining samples, and a report for each step."""

    samples: tuple[TrainingSample, ...]
    reports: tuple[StepReport, ...]
    """In order."""
    dropped: tuple[DroppedSample, ...] = ()
    """What the steps left out, in their order."""
    pairs: tuple[PreferencePair, ...] = ()
    """Of a plan for preference pairs, in the order of `samples`, which are their chosen sides."""


def curate(
    samples: Sequence[TrainingSample],
    plan: CurationPlan,
    *,
    evaluation: Mapping[str, Sequence[str]],
    answered: Collection[str] = (),
    count_tokens: Callable[[str], int] | None = None,
    told: Callable[[StepReport], None] | None = None,
) -> Curated:
    """Apply the plan; the same samples and plan always give the same data.

    Args:
        samples: input samples.
        plan: the steps and their parameters.
        evaluation: set name to its questions, each from `comparable_text`.
        answered: `samples.question_hash` of the questions that the plan's benchmark run answers right.
        count_tokens: counts the tokens of a text; see `limit_length`.
        told: called with the report of each step once it is done.

    Raises:
        TooLittleData: fewer than eight samples are left.
    """
    left = tuple(samples)
    reports: list[StepReport] = []
    dropped: list[DroppedSample] = []
    for step in _steps(plan, evaluation, answered, count_tokens):
        left, report, left_out = step(left)
        dropped += left_out
        reports.append(report)
        if told:
            told(report)
    if len(left) < LEAST_SAMPLES:
        raise TooLittleData(too_little(len(samples), len(left), reports) + _about_verify(reports))
    return Curated(left, tuple(reports), tuple(dropped))


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
    steps.append(lambda samples: check_answers(samples, is_verified_only=plan.verified_only, keep=plan.keep))
    steps.append(lambda samples: limit_length(samples, plan.min_reasoning_characters, plan.max_tokens, count_tokens))
    # After the other drops, so that the first sound sample of each question is kept.
    if plan.deduplicate:
        steps.append(deduplicate)
    steps.append(lambda samples: draw(samples, plan.balance, plan.limit, plan.seed))
    return steps


def too_little(read: int, left: int, reports: Sequence[StepReport], noun: str = "samples") -> str:
    """Say which steps dropped how many, where fewer than `LEAST_SAMPLES` are left."""
    dropped = [f"{report.before - report.kept:,} at {report.step}: {report.title}" for report in reports]
    lost = "\n".join(line for line, report in zip(dropped, reports, strict=True) if report.kept < report.before)
    return (
        f"{left:,} of {read:,} {noun} are left, but fine-tuning needs at least {LEAST_SAMPLES}; m1 used "
        f"1,000 to 23,000. Add more data, or leave out the step that dropped the most."
        + (f" Dropped:\n{lost}" if lost else "")
        + (_ABOUT_OVERLAP if _drops(reports, "overlap") else "")
    )


def _about_verify(reports: Sequence[StepReport]) -> str:
    return _ABOUT_VERIFY if _drops(reports, "verify") else ""


def _drops(reports: Sequence[StepReport], step: str) -> bool:
    return any(each.step == step and each.kept < each.before for each in reports)
