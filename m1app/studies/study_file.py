"""A study's file: a TOML document with its sets, models by role, benchmark runs, claims and figures, as checked values.

Shares are 0 to 1 and differences of shares -1 to 1 throughout. Whether what a study names is there is not checked
here: see `m1app.studies.checking`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.control_characters import control_character
from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS
from m1app.fact_tests.request import MOST_CHARACTERS as MOST_FACT_CHARACTERS

MOST_ENTRIES = 200
"""Of each list of a study's file."""
MOST_MISTAKES = 10
"""That a refusal names."""
MOST_PARTS = 5_000
"""Of all runs together: sets times models of each."""
_MOST_LISTED = 20
"""Names of what there is, in a mistake."""


def _without_control(text: str) -> str:
    if found := control_character(text):
        raise ValueError(f"it has the control character {found}; remove it")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it is shown in one line; remove line breaks, control characters and marks of direction")
    return text


def _no_device(text: str) -> str:
    if re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", text):
        raise ValueError(f"{text} cannot be the name of a file on Windows; choose another")
    return text


_Clean = AfterValidator(_without_control)
_Line = AfterValidator(_one_line)
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60), AfterValidator(_no_device)]
_Name = Annotated[str, StringConstraints(pattern=r"\S", max_length=200), _Line]
_Text = Annotated[str, StringConstraints(max_length=4_000), _Clean]
_Title = Annotated[str, StringConstraints(min_length=1, max_length=300), _Line]
_Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1_000), _Clean]
_Count = Annotated[int, Field(ge=1, le=10**9)]
_Tokens = _Count
_Rounds = Annotated[int, Field(ge=0, le=10**9)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Many = Field(max_length=MOST_ENTRIES)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StudySet(_Part):
    """A question set that runs use, and what is published about it."""

    name: _Name
    """What the runs call it: the name of a set of this installation, or the beginning of one."""
    size: _Count | None = None
    """Questions it has officially; None if nothing is published."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of its file as published; None if nothing is published."""
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    """The same in MD5, which older repositories publish."""
    hub: _Text = ""
    """Repository of the Hugging Face hub that has it."""
    is_library: bool = False
    """Whether it is the question library that comes with the app."""
    paper: _Text = ""
    """What the paper's Table 1 and Figure 1 call it; empty for a set that they do not have."""


class StudyModel(_Part):
    """A role; who starts the study says which served model plays it."""

    role: _Id
    about: _Text = ""
    paper: _Text = ""
    """The paper's name of the model, as in Table 1; empty for a model that the paper does not have."""
    hub: _Text = ""
    """Repository of the hub; a model served under this name is proposed for the role."""
    is_optional: bool = False
    """Whether the study can be run without it: its part is then left out."""


class StudyRun(_Part):
    """A benchmark run; fields that `BenchmarkRecipe` has too mean the same."""

    id: _Id
    title: _Text = ""
    question_sets: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=MOST_ENTRIES)]
    """Names of `StudySet`s."""
    models: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=MOST_ENTRIES)]
    """Roles."""
    budgets: Annotated[tuple[_Tokens, ...], Field(min_length=1)]
    force_rounds: Annotated[tuple[_Rounds, ...], Field(min_length=1)] = (0,)
    passes: _Count = 1
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0)] | None = None
    answer_cap_tokens: _Tokens = 256
    system_prompt: _Text | None = None
    asks_probabilities: bool = True
    profile: _Text = ""
    limit: _Count | None = None
    """Most questions per set; None takes all."""
    in_flight: Annotated[int, Field(ge=0)] = 0
    strategies: tuple[_Text, ...] = ()
    strategy_budget_tokens: _Tokens | None = None

    def recipe(self, name: str, sets: Mapping[str, str], models: Mapping[str, str]) -> BenchmarkRecipe:
        """The recipe of its benchmark run.

        Args:
            name: of the benchmark run.
            sets: the study's name of each set -> that of the set of this installation.
            models: role -> served model; roles that are not in it are left out.
        """
        own = self.model_dump(exclude={"id", "title", "question_sets", "models"})
        served = tuple(models[role] for role in self.models if role in models)
        return BenchmarkRecipe(
            name=name, question_sets=tuple(sets[each] for each in self.question_sets), models=served, **own
        )


class Side(_Part):
    """One of the two settings that a claim compares; what is left out is the same as in the claim."""

    run: _Id | None = None
    """None: the claim's run."""
    model: _Id | None = None
    """Role; None: the claim's model."""
    budget: _Tokens | None = None
    """Thinking budget in tokens; may be left out only beside `strategy`."""
    force_rounds: _Rounds = 0
    strategy: _Text = ""
    """A strategy of the run, as the run writes it, in place of budget and rounds."""


class ClaimKind(StrEnum):
    """What a claim says of its two settings, and so how it is tested; see `m1app.studies.claims`."""

    GAIN = "gain"
    """The second setting is right more often than the first."""
    BETTER = "better"
    """The second model is right more often than the first."""
    NO_GAIN = "no-gain"
    """The second is right at most `margin` more often than the first."""
    HARM = "harm"
    """The second is right less often than the first."""
    BREAKS = "breaks"
    """Of the questions that the first has right, the second has more than `margin` wrong."""
    SATURATES = "saturates"
    """The second is right more often than the first, and `beyond` at most `margin` more often than the second."""
    ONE_FACT_EXPLAINS = "one-fact-explains"
    """More than `threshold` of the tested failures are turned right by the one fact that was missing."""


SHARES = (ClaimKind.BREAKS, ClaimKind.ONE_FACT_EXPLAINS)
"""Kinds whose estimate is a share, 0 to 1; that of others is a difference of shares, -1 to 1."""


class PaperNumber(_Part):
    """A number that the paper has for a claim's estimate."""

    value: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
    place: _Title
    """Where it stands: "Table 2, last row"."""


class Claim(_Part):
    """A sentence that a study tests."""

    id: _Id
    text: _Sentence
    kind: Annotated[ClaimKind, Field(strict=False)]
    refuted_by: _Sentence
    """What would refute it, in words."""
    run: _Id | None = None
    model: _Id | None = None
    """Role."""
    question_sets: Annotated[tuple[_Name, ...], _Many] = ()
    """Names of `StudySet`s; none: all of the run."""
    first: Side | None = None
    second: Side | None = None
    beyond: Side | None = None
    """Of kind "saturates" only: a setting beyond the second."""
    margin: _Share = 0.01
    """Smallest difference of shares that would matter."""
    threshold: _Share = 0.5
    """Of kind "one-fact-explains" only."""
    paper: PaperNumber | None = None
    """None: computed from Figure 1 where that has both settings, otherwise none."""

    @model_validator(mode="after")
    def _has_its_sides(self) -> Self:
        if self.kind is ClaimKind.ONE_FACT_EXPLAINS:
            needed: tuple[str, ...] = ("model",)
        elif self.kind is ClaimKind.SATURATES:
            needed = ("first", "second", "beyond")
        else:
            needed = ("first", "second")
        missing = [name for name in needed if getattr(self, name) is None]
        unused = [name for name in ("first", "second", "beyond") if getattr(self, name) and name not in needed]
        if missing:
            raise ValueError(f"a claim of kind {self.kind} needs {' and '.join(missing)}; add it")
        if unused:
            raise ValueError(f"a claim of kind {self.kind} does not use {' and '.join(unused)}; remove it")
        return self

    @property
    def sides(self) -> tuple[Side, ...]:
        """The settings it compares, each with its run and model; none for a claim about facts."""
        given = [each for each in (self.first, self.second, self.beyond) if each is not None]
        return tuple(
            each.model_copy(update={"run": each.run or self.run, "model": each.model or self.model}) for each in given
        )


class StudyFact(_Part):
    """A fact on which a question turns, which the study tests where a model has the question wrong."""

    question_set: _Name
    """Name of a `StudySet`."""
    question: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    """The beginning of the question's text, as much as tells it from the others of its set."""
    fact: Annotated[str, StringConstraints(min_length=1, max_length=MOST_FACT_CHARACTERS)]
    """In one or two sentences, without the target."""


class FactTesting(_Part):
    """How the study tests its facts: each is inserted before the first word of a thinking that went wrong."""

    run: _Id
    models: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=MOST_ENTRIES)]
    """Roles."""
    budget: _Tokens
    """Thinking budget of the wrong answers, and of their tests."""
    seeds: Annotated[int, Field(ge=LEAST_SEEDS, le=MOST_SEEDS)] = LEAST_SEEDS
    """Of each arm."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """The first of them."""


class Figure(_Part):
    """A figure or table that the study makes."""

    id: _Id
    title: _Title
    kind: Literal["curves", "rounds", "flips", "accuracies"]
    """"curves": accuracy against the thinking budget; "rounds": accuracy against forced rounds; "flips": answers that
    change from the first cell to each other one; "accuracies": a table of models by sets."""
    runs: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=MOST_ENTRIES)]
    question_sets: Annotated[tuple[_Name, ...], _Many] = ()
    """Names of `StudySet`s; none: all of the runs, and their mean."""
    budget: _Tokens | None = None
    """The budget of "rounds" and "accuracies"; None takes the largest, or the study's `reading_budget`."""
    has_paper: bool = True
    """Whether the paper's numbers are drawn beside ours where there are some."""


class Extension(_Part):
    """How a study goes on with more questions until its claims are measured closely enough."""

    questions: _Count
    """Of each set, with every extension."""
    width: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]
    """It is over once every measured claim's interval is at most this wide, as a difference of shares."""


class Study(_Part):
    """A study's file."""

    name: _Id
    title: Annotated[_Title, Field(max_length=200)]
    about: _Text = ""
    source: _Text = ""
    """The paper or document whose claims it tests."""
    protocol: Literal["ours", "as published"] = "ours"
    rule: Literal["strict", "m1"] = "strict"
    """The scoring rule of all its numbers; see `m1app.question.answers.scoring`."""
    is_toy: bool = False
    """Whether it only shows how a study works: its verdicts mean nothing."""
    price_per_million_tokens: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    """In any currency; None leaves money out of the estimate."""
    extension: Extension | None = None
    """None for a study that is looked at once; others are tested more strictly, see `claim_statistics`."""
    currency: Annotated[str, StringConstraints(max_length=10), _Line] = "USD"
    reading_budget: _Tokens | None = None
    """The thinking budget of the reading at one budget; None takes the largest of each run."""
    protocol_differences: Annotated[tuple[_Text, ...], _Many] = ()
    """In what its protocol differs from the published one, beyond what is found from the runs."""
    question_sets: Annotated[tuple[StudySet, ...], Field(alias="set", min_length=1, max_length=MOST_ENTRIES)]
    models: Annotated[tuple[StudyModel, ...], Field(alias="model", min_length=1, max_length=MOST_ENTRIES)]
    runs: Annotated[tuple[StudyRun, ...], Field(alias="run", min_length=1, max_length=MOST_ENTRIES)]
    claims: Annotated[tuple[Claim, ...], Field(alias="claim", max_length=MOST_ENTRIES)] = ()
    figures: Annotated[tuple[Figure, ...], Field(alias="figure", max_length=MOST_ENTRIES)] = ()
    facts: Annotated[tuple[StudyFact, ...], Field(alias="fact", max_length=MOST_ENTRIES)] = ()
    fact_tests: FactTesting | None = None
    """None where claims about facts count the tests that people make."""

    @model_validator(mode="after")
    def _names_what_it_has(self) -> Self:
        # One by one: a small file can have millions, each with a list of what there is.
        found = chain(
            self._repeated(),
            self._unknown(),
            self._unmeasured(),
            self._unpublished(),
            self._endless(),
            self._too_many(),
            self._untestable(),
        )
        if mistakes := list(islice(found, MOST_MISTAKES)):
            raise ValueError("\n".join(mistakes))
        return self

    def run(self, run_id: str) -> StudyRun:
        """The run with this id; raises KeyError."""
        return {each.id: each for each in self.runs}[run_id]

    def limited(self, limit: int | None) -> Self:
        """The study with at most `limit` questions per set; None keeps what the file says."""
        if limit is None:
            return self
        return self.model_copy(update={"runs": tuple(each.model_copy(update={"limit": limit}) for each in self.runs)})

    def set_of(self, name: str) -> StudySet:
        """The set of this name; raises KeyError."""
        return {each.name: each for each in self.question_sets}[name]

    def model_of(self, role: str) -> StudyModel:
        """The model of this role; raises KeyError."""
        return {each.role: each for each in self.models}[role]

    def _repeated(self) -> Iterable[str]:
        for where, names in (
            ("set", [each.name for each in self.question_sets]),
            ("model", [each.role for each in self.models]),
            ("run", [each.id for each in self.runs]),
            ("claim", [each.id for each in self.claims]),
            ("figure", [each.id for each in self.figures]),
        ):
            for name in (name for name, count in Counter(names).items() if count > 1):
                yield f"{where} {name!r} is defined more than once; give each its own name"

    def _unknown(self) -> Iterable[str]:
        sets, roles, runs = self._names()
        for run in self.runs:
            yield from _missing(f"run {run.id!r}, field question_sets", run.question_sets, sets, "[[set]]")
            yield from _missing(f"run {run.id!r}, field models", run.models, roles, "[[model]]")
        for claim in self.claims:
            where = f"claim {claim.id!r}"
            yield from _missing(f"{where}, field question_sets", claim.question_sets, sets, "[[set]]")
            yield from _missing(f"{where}, field model", [claim.model] if claim.model else [], roles, "[[model]]")
            yield from _missing(f"{where}, field run", [claim.run] if claim.run else [], runs, "[[run]]")
        for figure in self.figures:
            yield from _missing(f"figure {figure.id!r}, field runs", figure.runs, runs, "[[run]]")
            yield from _missing(f"figure {figure.id!r}, field question_sets", figure.question_sets, sets, "[[set]]")

    def _names(self) -> tuple[list[str], list[str], list[str]]:
        return (
            [each.name for each in self.question_sets],
            [each.role for each in self.models],
            [each.id for each in self.runs],
        )

    def _unmeasured(self) -> Iterable[str]:
        """Claims about cells that their runs do not have."""
        runs = {each.id: each for each in self.runs}
        for claim in self.claims:
            for name, side in zip(("first", "second", "beyond"), claim.sides, strict=False):
                where = f"claim {claim.id!r}, field {name}"
                if side.run is None or side.model is None:
                    yield f"{where}: neither it nor the claim names a run and a model; add `run` and `model`"
                elif run := runs.get(side.run):
                    yield from (f"{where}: {why}" for why in _lacks(run, side, claim.question_sets))
                else:
                    yield f"{where}: run {side.run!r} is not a [[run]] of the study"

    def _untestable(self) -> Iterable[str]:
        """What its facts cannot be tested on."""
        testing = self.fact_tests
        if testing is None:
            if self.facts:
                yield "its facts are not tested: add the table [fact_tests], or remove them"
            return
        if not self.facts:
            yield "[fact_tests] has nothing to test: add facts as [[fact]], or remove it"
        run = {each.id: each for each in self.runs}.get(testing.run)
        if run is None:
            yield f"[fact_tests]: run {testing.run!r} is not a [[run]] of the study"
            return
        for role in testing.models:
            yield from (f"[fact_tests]: {why}" for why in _lacks(run, Side(model=role, budget=testing.budget), ()))
        for name in dict.fromkeys(
            each.question_set for each in self.facts if each.question_set not in run.question_sets
        ):
            yield f"fact on a question of {name!r}: run {run.id!r} does not ask that set"
        for claim in self.claims:
            if claim.kind is ClaimKind.ONE_FACT_EXPLAINS and claim.model not in testing.models:
                yield f"claim {claim.id!r}, field model: [fact_tests] does not test {claim.model!r}; add it there"

    def _endless(self) -> Iterable[str]:
        for run in self.runs:
            if self.extension is not None and run.limit is None:
                yield (
                    f"run {run.id!r}, field limit: a study with an [extension] must limit the questions it starts "
                    "with; add it"
                )

    def _too_many(self) -> Iterable[str]:
        parts = sum(len(run.question_sets) * len(run.models) for run in self.runs)
        if parts > MOST_PARTS:
            yield (
                f"its runs ask {parts:,} pairs of a set and a model, expected at most {MOST_PARTS:,}; make several "
                "studies of it"
            )

    def _unpublished(self) -> Iterable[str]:
        if self.protocol != "as published":
            return
        if self.rule != "m1":
            yield 'field rule: the published protocol scores by the rule "m1"; set it, or set protocol to "ours"'
        for run in self.runs:
            if run.temperature != 0 or run.passes != 1 or run.strategies:
                yield (
                    f"run {run.id!r}: the published protocol asks once at temperature 0, without strategies; change "
                    'the run, or set protocol to "ours"'
                )


def _missing(where: str, named: Iterable[str], there: Sequence[str], table: str) -> Iterable[str]:
    for name in named:
        if name not in there:
            listed = ", ".join(there[:_MOST_LISTED]) + (", ..." if len(there) > _MOST_LISTED else "")
            yield f"{where}: {name!r} is not a {table} of the study; expected one of {listed}"


def _lacks(run: StudyRun, side: Side, question_sets: Sequence[str]) -> Iterable[str]:
    """What a run does not measure of a side."""
    if side.model not in run.models:
        yield f"run {run.id!r} does not ask the model {side.model!r}"
    for name in question_sets:
        if name not in run.question_sets:
            yield f"run {run.id!r} does not ask the set {name!r}"
    if side.strategy:
        if side.strategy not in run.strategies:
            yield f"run {run.id!r} has no strategy {side.strategy!r}"
    elif side.budget is None:
        yield "a budget is missing; add `budget`, or a `strategy` in its place"
    elif side.budget not in run.budgets:
        yield f"run {run.id!r} has no budget of {side.budget:,} tokens"
    elif side.force_rounds not in run.force_rounds:
        yield f"run {run.id!r} does not force {side.force_rounds} rounds"
