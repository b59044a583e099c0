"""What a study has come to, as plain values.

Shares are 0 to 1, differences of shares -1 to 1, intervals 95%, but for those of the claims of a study that may be
extended: see `StudyOutcome.level`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.intervals import Proportion
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.studies.start_facts import TrainingCheck
from m1app.studies.study_file import Claim, Study
from storage.benchmarks.records import BenchmarkRun


class Verdict(StrEnum):
    """What a test says of a claim."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    NOT_DECIDABLE = "not decidable"
    """The questions asked show neither."""
    NOT_MEASURED = "not measured"
    """Nothing to test it with: a run, a model or the tests of facts are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOutcome:
    """A claim with its test; numbers are None where nothing was measured."""

    claim: Claim
    verdict: Verdict
    why: str
    """The verdict's reason, for people."""
    estimate: float | None = None
    """The difference or share that the claim is about."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Questions; for "breaks", those that the first setting has right; for a claim about facts, tested failures."""
    test: str = ""
    """Name of the test, with its source."""
    p: float | None = None
    """One-sided, of the claim: small if the claim holds."""
    p_adjusted: float | None = None
    """`p` after Holm over the study's claims that were measured."""
    p_against: float | None = None
    """One-sided, of its opposite: small if the claim does not hold."""
    p_against_adjusted: float | None = None
    mean_over_sets: float | None = None
    """The same difference with every set counted alike, as in the paper's tables; None for a share, or of one set. The
    verdict rests on `estimate`, in which every question counts alike."""
    mean_low: float | None = None
    mean_high: float | None = None
    paper: float | None = None
    """The paper's number; None if none is known."""
    paper_place: str = ""
    difference_to_find: float | None = None
    """Smallest difference or share beyond the bound that 4 of 5 such studies would find; None if n is too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPart:
    """A run of a study, and the benchmark run that is asked for it."""

    run_id: str
    """Of the study's file."""
    title: str
    benchmark: BenchmarkRun | None
    """None if it was left out, or if its benchmark run was deleted."""
    recipe: BenchmarkRecipe | None
    """None if it was left out."""
    note: str = ""
    """Why there is no benchmark run; empty if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCheck:
    """A set of the study against what is published of it."""

    name: str
    """In the study."""
    question_set: str
    """Of this installation; empty if there is none yet."""
    source: str
    """File name or address of the hub it came from."""
    questions: int
    official_size: int | None
    sha256: str
    """Of the file it came from; empty if there was none."""
    published_sha256: str | None
    md5: str = ""
    """Of the same file; empty if that is no longer here."""
    published_md5: str | None = None
    overlaps: tuple[str, ...]
    """What it shares with other sets of the study, in words; none also if `overlap_note` says why."""
    overlap_note: str
    """Why overlaps are not known; empty if they are."""
    problems: tuple[str, ...]
    """What differs from what is published, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A model's accuracy on one set, read in the two ways that are in use."""

    run_id: str
    """Of the study's file."""
    role: str
    model: str
    question_set: str
    """As in `CellSummary`; empty for the mean over sets."""
    force_rounds: int
    budget_tokens: int
    """Of the reading at one budget."""
    at_one_budget: Proportion
    best_budget_tokens: int | None
    """None for the mean over sets, each of which has its own."""
    best_of_budgets: Proportion
    """At the budget that is best on these very questions, which is optimistic. For the mean over sets, the mean of
    theirs, without an interval (NaN)."""
    paper_at_one_budget: float | None
    """Figure 1; None where it has no such point."""
    paper_best_of_budgets: float | None
    """Table 1, whose cells are maxima over budgets for the paper's own models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactOutcome:
    """One of the study's own facts, tested on one model; nobody has read the thinking that it was inserted into."""

    role: str
    number: int
    """Of the fact in the file, from 1."""
    question_set: str
    """In the study."""
    question: str
    """The beginning of its question, as in the file."""
    fact: str
    run_id: str
    """Of its test; empty without one."""
    note: str
    """Why there is no test, or no verdict; empty if there is one."""
    verdict: str = ""
    """A `m1app.fact_tests.verdict.VerdictKind`; empty without one."""
    sentence: str = ""
    seeds: int = 0
    """That the arms A, B and C have answered."""
    right: tuple[int, ...] = ()
    """At how many of them A, B and C were right; empty without a test."""
    names_target: bool = False
    """Whether the fact names the target: then it does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """All that a started study has come to so far."""

    id: str
    name: str
    """Unique."""
    study: Study
    state: str
    """As `storage.studies.records.StudyState`."""
    created_at: datetime
    updated_at: datetime
    models: Mapping[str, str]
    """Role -> served model."""
    sets: Mapping[str, str]
    """Name in the study -> set of this installation."""
    parts: tuple[StudyPart, ...]
    cells: Mapping[str, tuple[CellSummary, ...]]
    """By run id of the study's file: the points of its curves, by the study's rule."""
    readings: tuple[Reading, ...]
    claims: tuple[ClaimOutcome, ...]
    facts: tuple[FactOutcome, ...] = ()
    """Its own facts that were tried; none where claims about facts count the tests that people make."""
    set_checks: tuple[SetCheck, ...]
    training: tuple[TrainingCheck, ...] = ()
    """What the sets share with fine-tuning data, as it was when the study was started."""
    protocol_differences: tuple[str, ...]
    """In what it differs from the published protocol, in words."""
    look: int = 1
    """How often its claims were looked at, this time included; intervals and tests of a study that may be extended are
    those of this look."""
    level: float = 0.95
    """Of the claims' intervals, 0-1."""
    is_demo: bool
    """Whether its verdicts mean nothing: it is a toy study, or the demo model plays a role."""
    text: str = ""
    """Its file as it was when it was started, with which somebody else starts it too."""
