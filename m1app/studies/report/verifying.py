"""Compares the manifest of somebody's study with what is here: what is the same, what differs, what is missing.

Results are compared by their counts. Equal counts are the same. Other counts are within the intervals if Newcombe's
interval of the difference of two shares (1998, method 10, from Wilson's) has 0 in it, at 95% for all cells together
(Bonferroni). The interval takes the answers here and there as independent; of the same questions they are not, so it is
too wide rather than too narrow.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from m1app.benchmark.intervals import wilson
from m1app.studies.report.claims import amount
from m1app.studies.report.manifest import CellPart, ClaimPart, FactPart, Manifest, ModelPart, RunPart, SetPart
from m1app.wording import cell as cell_words
from m1app.wording import counted, percent

_LEVEL = 0.95
_MOST_CELLS = 20
"""Cells that are named of those that differ."""
_OWN_FIELDS = ("name", "question_sets", "models", "in_flight")
"""Fields of a recipe that may differ where the same is repeated."""


class Grade(StrEnum):
    """How a part of the manifest is found here."""

    SAME = "same"
    WITHIN = "within intervals"
    DIFFERS = "differs"
    MISSING = "not here"
    UNKNOWN = "not known"
    """It was not recorded there, or is not known here."""


class Topic(StrEnum):
    """What a finding is about."""

    SOFTWARE = "software"
    SETS = "question sets"
    MODELS = "models"
    RECIPE = "recipe"
    RESULTS = "results"
    CLAIMS = "claims"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was compared."""

    topic: Topic
    what: str
    grade: Grade
    there: str = ""
    """In the manifest; empty where naming it says nothing."""
    here: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings."""

    findings: tuple[Finding, ...]

    def is_repeated(self, *, is_strict: bool = False) -> bool:
        """Whether the study was repeated here with the same outcome: nothing but the software differs or is missing.

        Args:
            is_strict: whether the software must be the same too, and each count, not only within its interval.
        """
        bad = {Grade.DIFFERS, Grade.MISSING} | ({Grade.WITHIN} if is_strict else set())
        return not any(each.grade in bad and (is_strict or each.topic is not Topic.SOFTWARE) for each in self.findings)


def verify(there: Manifest, here: Manifest) -> Verification:
    """Compare a manifest with that of this installation.

    Args:
        there: somebody's.
        here: of the study of the same name, or without runs, cells and claims if there is none.
    """
    return Verification(
        (
            *_software(there, here),
            *_sets(there, here),
            *_models(there, here),
            *_recipes(there, here),
            *_results(there, here),
            *_facts(there, here),
            *_claims(there, here),
        )
    )


def _software(there: Manifest, here: Manifest) -> Iterator[Finding]:
    one, other = there.software, here.software
    pairs = {"m1app": (one.m1app, other.m1app), "its commit": (one.commit, other.commit)}
    pairs |= {"Python": (one.python, other.python), "system": (one.system, other.system)}
    pairs |= {name: (number, other.packages.get(name, "")) for name, number in one.packages.items()}
    for name, (theirs, ours) in pairs.items():
        yield _compared(Topic.SOFTWARE, name, theirs, ours)


def _sets(there: Manifest, here: Manifest) -> Iterator[Finding]:
    ours = {each.name: each for each in here.question_sets}
    for each in there.question_sets:
        yield _set(each, ours.get(each.name))
    for run, own in _run_pairs(there, here):
        asked = {each.name: each for each in own.asked} if own else {}
        for each_asked in run.asked if own else ():
            same = asked.get(each_asked.name)
            yield _compared(
                Topic.SETS,
                f"questions of {each_asked.name} asked in run {run.id}",
                each_asked.content_sha256,
                same.content_sha256 if same else "",
                counted(each_asked.questions, "question"),
                counted(same.questions, "question") if same else "",
            )


def _set(there: SetPart, here: SetPart | None) -> Finding:
    size = counted(there.questions, "question")
    if here is None or not here.content_sha256:
        return Finding(Topic.SETS, there.name, Grade.MISSING, size)
    found = counted(here.questions, "question")
    return _compared(Topic.SETS, there.name, there.content_sha256, here.content_sha256, size, found)


def _models(there: Manifest, here: Manifest) -> Iterator[Finding]:
    ours = {each.role: each for each in here.models}
    for each in there.models:
        if each.served:
            yield from _model(each, ours.get(each.role))


def _model(there: ModelPart, here: ModelPart | None) -> Iterator[Finding]:
    if here is None or not here.served:
        yield Finding(Topic.MODELS, there.role, Grade.MISSING, there.served)
        return
    # A commit and a hash name weights in two ways; only the same way can be compared.
    way = "sha256" if there.sha256 and here.sha256 else "commit"
    theirs, ours = getattr(there, way), getattr(here, way)
    what = f"weights of {there.role} ({there.served})"
    yield _compared(Topic.MODELS, what, theirs, ours, theirs or "not recorded", ours or "not known")
    asked = {each.run: each for each in here.asked}
    for each in there.asked:
        if own := asked.get(each.run):
            who = f"{there.role} in run {each.run}"
            compared = (
                _compared(Topic.MODELS, f"prompt of {who}", each.prompt_sha256, own.prompt_sha256),
                _compared(Topic.MODELS, f"profile of {who}", each.profile, own.profile),
                _compared(Topic.SOFTWARE, f"engine of {who}", each.engine, own.engine),
            )
            # What was not recorded there, as without a trace, is nothing to compare with.
            yield from (found for found in compared if found.there)


def _recipes(there: Manifest, here: Manifest) -> Iterator[Finding]:
    if here.runs:
        one, other = there.study.definition_sha256, here.study.definition_sha256
        yield _compared(Topic.RECIPE, "the study's file", one, other)
    for run, own in _run_pairs(there, here):
        if own is None:
            yield Finding(Topic.RECIPE, f"run {run.id}", Grade.MISSING)
            continue
        names = sorted({*run.recipe, *own.recipe} - {*_OWN_FIELDS})
        differing = [name for name in names if run.recipe.get(name) != own.recipe.get(name)]
        if not differing:
            yield Finding(Topic.RECIPE, f"run {run.id}", Grade.SAME)
        for name in differing:
            theirs, ours = run.recipe.get(name), own.recipe.get(name)
            yield Finding(Topic.RECIPE, f"run {run.id}, {name}", Grade.DIFFERS, _short(theirs), _short(ours))


def _run_pairs(there: Manifest, here: Manifest) -> Iterator[tuple[RunPart, RunPart | None]]:
    """The runs that were asked there, each with that of the same id here."""
    ours = {each.id: each for each in here.runs if each.benchmark_id}
    return ((each, ours.get(each.id)) for each in there.runs if each.benchmark_id)


_Key = tuple[str, str, str, int, int]
"""Run, served model, set of the study, budget, rounds."""


def _results(there: Manifest, here: Manifest) -> Iterator[Finding]:
    if there.study.rule != here.study.rule:
        yield Finding(Topic.RESULTS, "scoring rule", Grade.DIFFERS, there.study.rule, here.study.rule)
        return
    served = {each.role: each.served for each in here.models}
    # A model that plays two roles has its cells once.
    renamed = {each.served: served.get(each.role, "") for each in reversed(there.models)}
    ours = {_key(each): each for each in here.cells}
    level = 1 - (1 - _LEVEL) / max(1, len(there.cells))
    graded: dict[tuple[str, str], list[tuple[CellPart, CellPart | None, Grade]]] = {}
    for each in there.cells:
        key = _key(each)
        own = ours.get((key[0], renamed.get(each.model, ""), *key[2:]))
        graded.setdefault((each.run, each.model), []).append((each, own, _grade(each, own, level)))
    for (run, model), cells in graded.items():
        yield from _summed(f"{model} in run {run}", cells)


def _summed(who: str, cells: list[tuple[CellPart, CellPart | None, Grade]]) -> Iterator[Finding]:
    """A finding for each grade with its number of cells, and one for each of the first cells that differ."""
    for grade in Grade:
        of_grade = [each for each in cells if each[2] is grade]
        if of_grade:
            yield Finding(Topic.RESULTS, f"{who}: {len(of_grade):,} of {counted(len(cells), 'cell')}", grade)
    differing = [(one, other) for one, other, grade in cells if grade is Grade.DIFFERS and other is not None]
    for one, other in differing[:_MOST_CELLS]:
        where = f"{one.question_set}, {cell_words(one.budget_tokens, one.force_rounds)}"
        yield Finding(Topic.RESULTS, f"{who}, {where}", Grade.DIFFERS, _share(one), _share(other))


def _grade(there: CellPart, here: CellPart | None, level: float) -> Grade:
    if here is None:
        return Grade.MISSING
    if (there.right, there.answers) == (here.right, here.answers):
        return Grade.SAME
    if not there.answers or not here.answers:
        return Grade.DIFFERS
    return Grade.WITHIN if is_within(there, here, level) else Grade.DIFFERS


def is_within(there: CellPart, here: CellPart, level: float) -> bool:
    """Whether Newcombe's interval of the difference of two cells' shares has 0 in it.

    Args:
        there: with answers.
        here: with answers.
        level: of the interval, such as 0.95.
    """
    # Several answers to a question carry less information than as many questions.
    one, other = (wilson(e.right / e.answers * e.questions, e.questions, level) for e in (there, here))
    difference = one.value - other.value
    low = difference - math.hypot(one.value - one.low, other.high - other.value)
    high = difference + math.hypot(one.high - one.value, other.value - other.low)
    return low <= 0 <= high


def _claims(there: Manifest, here: Manifest) -> Iterator[Finding]:
    ours = {each.id: each for each in here.claims}
    for each in there.claims:
        own = ours.get(each.id)
        what = f"claim {each.id}"
        if own is None:
            yield Finding(Topic.CLAIMS, what, Grade.MISSING, _verdict(each))
        else:
            grade = Grade.SAME if each.verdict == own.verdict else Grade.DIFFERS
            yield Finding(Topic.CLAIMS, what, grade, _verdict(each), _verdict(own))


def _facts(there: Manifest, here: Manifest) -> Iterator[Finding]:
    ours = {(each.role, each.number): each for each in here.facts}
    for each in there.facts:
        own = ours.get((each.role, each.number))
        what = f"fact {each.number} on {each.role}"
        if own is None:
            yield Finding(Topic.RESULTS, what, Grade.MISSING, _fact(each))
        else:
            yield Finding(Topic.RESULTS, what, _fact_grade(each, own), _fact(each), _fact(own))


def _fact_grade(there: FactPart, here: FactPart) -> Grade:
    """Samples are drawn: with the same verdict, other counts are no difference."""
    if there.verdict != here.verdict:
        return Grade.DIFFERS
    return Grade.SAME if there.right == here.right else Grade.WITHIN


def _fact(each: FactPart) -> str:
    return f"{each.verdict}, right with {each.right} of {each.seeds}" if each.verdict else each.note


def _compared(topic: Topic, what: str, there: str, here: str, said_there: str = "", said_here: str = "") -> Finding:
    """Compare two texts of which an empty one is unknown; what is said of them is they themselves if left out."""
    grade = Grade.UNKNOWN if not there or not here else Grade.SAME if there == here else Grade.DIFFERS
    return Finding(topic, what, grade, said_there or there, said_here or here)


def _key(cell: CellPart) -> _Key:
    return cell.run, cell.model, cell.question_set, cell.budget_tokens, cell.force_rounds


def _share(cell: CellPart) -> str:
    share = f" ({percent(cell.right / cell.answers)})" if cell.answers else ""
    return f"{cell.right:,} of {cell.answers:,} right{share}"


def _verdict(claim: ClaimPart) -> str:
    return str(claim.verdict) if claim.estimate is None else f"{claim.verdict}, {amount(claim.kind, claim.estimate)}"


def _short(value: object) -> str:
    return str(value)[:200]


def by_topic(verification: Verification) -> Mapping[Topic, tuple[Finding, ...]]:
    """The findings by topic, in order; topics without any are left out."""
    found: dict[Topic, list[Finding]] = {}
    for each in verification.findings:
        found.setdefault(each.topic, []).append(each)
    return {topic: tuple(each) for topic, each in found.items()}
