"""The manifest of a study: what was asked of what, with which software, and what came out, as JSON with a version.

It has what somebody else needs to repeat the study and to compare: no question, no answer, no path of this machine.
`making` fills it, `reading` reads one from a file, `verifying` compares two.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from m1app.studies.records import Verdict

FORMAT = "m1app study manifest"
VERSION = 2
"""Version 2 added `facts` and `training`.

Raised when a field is added, removed or means something else; earlier versions are read as long as they can be."""

_Count = Annotated[int, Field(ge=0, le=10**15)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]

_Md5 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32})?$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SoftwarePart(_Part):
    """The software that wrote the manifest."""

    m1app: str
    commit: str
    """Of its code, with "+changes" if files differed from it; empty if unknown."""
    python: str
    system: str
    """Name and architecture, such as "Linux x86_64"."""
    packages: Mapping[str, str]
    """Versions of the packages that make numbers or figures."""


class AskedModel(_Part):
    """How a run asked a model, read off the first trace that is kept; empty texts where there is none."""

    run: str
    engine: str
    """Software and version, such as "vllm 0.9.1"."""
    profile: str
    is_profile_guess: bool = False
    prompt_sha256: _Sha256
    """Of the prompt with a placeholder for question and options."""
    prompt: str
    """That prompt; empty if the question could not be taken out of it."""


class ModelPart(_Part):
    """A role and the model that played it."""

    role: str
    about: str
    served: str
    """Its name here; empty for a role that nobody played."""
    paper: str
    """The paper's name of the model that the role stands for; empty if there is none."""
    source: str
    """Where the weights come from; empty if unknown."""
    commit: str
    """Of the hub's repository; empty if unknown."""
    sha256: _Sha256
    """Of the weights' file; empty if unknown."""
    asked: tuple[AskedModel, ...]


class SetPart(_Part):
    """A question set as it is here now."""

    name: str
    """In the study."""
    question_set: str
    """Here; empty if it is not here."""
    source: str
    paper: str
    questions: _Count
    official_size: _Count | None
    file_sha256: _Sha256
    published_sha256: _Sha256
    file_md5: _Md5
    published_md5: _Md5
    content_sha256: _Sha256
    """See `content_sha256`; empty if it is not here."""
    overlaps: tuple[str, ...]
    overlap_note: str
    problems: tuple[str, ...]


class AskedSet(_Part):
    """Questions of a set that a run asked."""

    name: str
    """In the study."""
    questions: _Count
    content_sha256: _Sha256


class RunPart(_Part):
    """A run of the study's file and its benchmark run."""

    id: str
    title: str
    note: str
    """Why nothing was run; empty if something was."""
    benchmark_id: str
    state: str
    """Empty if nothing was run."""
    command: str
    """With which its benchmark run is repeated, under the names here."""
    recipe: Mapping[str, Any]
    """Fields of `m1app.benchmark.recipe.BenchmarkRecipe`."""
    asked: tuple[AskedSet, ...]
    items: _Count
    """Questions times models."""
    items_done: _Count
    items_failed: _Count
    strict_version: _Count
    """Of the rule `strict`: that of its oldest results."""
    tokens_generated: _Count
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    """Last heartbeat."""


class CellPart(_Part):
    """Counts of one cell, by the study's rule."""

    run: str
    model: str
    """As served."""
    question_set: str
    """In the study."""
    budget_tokens: _Count
    force_rounds: _Count
    questions: _Count
    answers: _Count
    """More than questions where each was asked several times."""
    right: _Count
    answered: _Count
    thinking_tokens: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Mean."""

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        if self.right > self.answered or self.answered > self.answers or self.questions > self.answers:
            raise ValueError("its counts contradict each other")
        return self


class ClaimPart(_Part):
    """A claim with its test; see `m1app.studies.records.ClaimOutcome`."""

    id: str
    text: str
    kind: str
    refuted_by: str
    verdict: Verdict
    why: str
    estimate: _Finite | None
    low: _Finite | None
    high: _Finite | None
    n: _Count
    test: str
    p: _Finite | None
    p_adjusted: _Finite | None
    p_against: _Finite | None
    p_against_adjusted: _Finite | None
    difference_to_find: _Finite | None
    paper: _Finite | None
    paper_place: str
    mean_over_sets: _Finite | None = None
    mean_low: _Finite | None = None
    mean_high: _Finite | None = None


class FactPart(_Part):
    """One of the study's own facts, tested on one model; the fact itself is in the study's file."""

    role: str
    number: _Count
    """Of the fact in the file, from 1."""
    question_set: str
    """In the study."""
    note: str
    """Why there is no verdict; empty if there is one."""
    verdict: str
    """See `m1app.fact_tests.verdict.VerdictKind`; empty without one."""
    seeds: _Count
    """That the arms A, B and C have answered."""
    right: tuple[_Count, ...]
    """At how many of them A, B and C were right; empty without a test."""
    names_target: bool
    """Whether the fact names the target: then it does not count."""


class TrainingPart(_Part):
    """What the sets share with fine-tuning data, when the study was started."""

    role: str
    """Of the model that has learned from them; empty if none is known to."""
    model: str
    data: str
    """Empty if it is not known."""
    note: str
    """Why nothing was compared; empty if it was."""
    shared: Mapping[str, _Count]
    """The study's name of a set -> its questions that the data have too; sets without any are left out."""


class StudyPart(_Part):
    """What was studied."""

    name: str
    """In this installation."""
    title: str
    about: str
    source: str
    rule: Literal["strict", "m1"]
    protocol: str
    state: str
    is_demo: bool
    """Whether its verdicts mean nothing."""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    file: str
    """The study's file, with which it is started elsewhere."""
    definition_sha256: _Sha256
    """Of what the file says, in a canonical form: the same whatever its comments and line breaks."""
    protocol_differences: tuple[str, ...]
    may_be_extended: bool
    look: _Count
    """How often its claims were looked at, where it may be extended."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Of the claims' intervals; each side's error is half the rest, which adjusted p-values are compared with."""


class Manifest(_Part):
    """All of it."""

    format: str = FORMAT
    version: int = VERSION
    made_at: AwareDatetime
    study: StudyPart
    software: SoftwarePart
    models: tuple[ModelPart, ...]
    question_sets: tuple[SetPart, ...]
    runs: tuple[RunPart, ...]
    cells: tuple[CellPart, ...]
    claims: tuple[ClaimPart, ...]
    facts: tuple[FactPart, ...] = ()
    training: tuple[TrainingPart, ...] = ()

    def to_json(self) -> str:
        """The file's text; the same manifest is the same text."""
        return self.model_dump_json(indent=1) + "\n"
