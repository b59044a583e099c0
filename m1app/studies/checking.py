"""Whether what a study names is there: question sets of this installation, and served models for its roles. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from m1app.benchmark.paper_figures import paper_set
from m1app.question_sets.typed_sets import LIBRARY_SOURCE
from m1app.studies.study_file import Study, StudyModel, StudySet
from m1app.wording import counted
from storage.question_sets.records import QuestionSet


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a study from being started."""

    field: str
    """As in `StudyRefused`."""
    text: str
    """What was found, and what to do."""
    is_missing: bool = False
    """Whether a set is not here, which an import may change."""
    command: str = ""
    """Does the same in a terminal; empty for none."""

    @property
    def text_with_command(self) -> str:
        """For whoever may read it in a terminal."""
        return f"{self.text} In a terminal: {self.command}" if self.command else self.text


@dataclass(frozen=True, slots=True)
class Resolved:
    """What plays a study's parts, as far as it is known."""

    sets: Mapping[str, str] = field(default_factory=dict)
    """The study's name of each set -> that of the set of this installation."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Role -> served model."""
    problems: tuple[Problem, ...] = ()
    other_sizes: tuple[str, ...] = ()
    """Sets of another size than the official one, each in a sentence; the study can be started all the same."""


def resolve(
    study: Study,
    kept: Sequence[QuestionSet],
    served: Sequence[str] | None,
    sets: Mapping[str, str],
    models: Mapping[str, str],
) -> Resolved:
    """Find the sets and models of a study.

    Args:
        study: the study.
        kept: the sets of this installation.
        served: the served models; None if no engine can say.
        sets: sets that were chosen, by their names in the study; others are found by their names.
        models: models that were chosen, by role; others are proposed. An empty one leaves an optional role out.
    """
    problems: list[Problem] = [
        Problem(
            "sets",
            f"The study has no set {name[:80]!r}; its sets are {_listed(each.name for each in study.question_sets)}.",
        )
        for name in sets
        if name not in {each.name for each in study.question_sets}
    ]
    found, sizes = {}, []
    for each in study.question_sets:
        chosen = _set_for(each, kept, sets.get(each.name, ""))
        if isinstance(chosen, Problem):
            problems.append(chosen)
        else:
            found[each.name] = chosen.name
            if each.size is not None and chosen.question_count != each.size:
                sizes.append(
                    f"{chosen.name} has {counted(chosen.question_count, 'question')}; officially it has {each.size:,}."
                )
    playing, of_models = _cast(study, served, models)
    return Resolved(found, playing, (*problems, *of_models), tuple(sizes))


def _set_for(wanted: StudySet, kept: Sequence[QuestionSet], given: str) -> QuestionSet | Problem:
    by_name = {each.name: each for each in kept}
    name = given or wanted.name
    if name in by_name:
        return by_name[name]
    if given:
        there = _listed(by_name) or "none yet"
        return Problem("sets", f"Question set {given[:80]!r} not found. Available: {there}.")
    if wanted.is_library:
        fitting = [each for each in kept if each.source == LIBRARY_SOURCE]
    else:
        fitting = [each for each in kept if wanted.paper and paper_set(each.name) == wanted.paper]
    of_size = [each for each in fitting if each.question_count == wanted.size]
    fitting = of_size or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = _listed(each.name for each in fitting)
        return Problem("sets", f"Several sets could be {wanted.name!r}: {names}. Choose one.")
    how, command = _how_to_import(wanted)
    return Problem("sets", f"The question set {wanted.name!r} is not here. {how}", is_missing=True, command=command)


def _how_to_import(wanted: StudySet) -> tuple[str, str]:
    """In words, and as a command."""
    if wanted.is_library:
        return "Import it from the question library.", "python -m m1app questions import --library"
    if wanted.hub:
        return f"Import it from {wanted.hub} on the hub.", f"python -m m1app questions import --hub {wanted.hub}"
    return "Import it on the Admin page, or choose the set to use.", ""


def _cast(
    study: Study, served: Sequence[str] | None, given: Mapping[str, str]
) -> tuple[Mapping[str, str], Sequence[Problem]]:
    """The model of each role, and what is wrong with the choice."""
    roles = [each.role for each in study.models]
    problems = [
        Problem("models", f"The study has no role {role[:80]!r}; its roles are {_listed(roles)}.")
        for role in given
        if role not in roles
    ]
    there = _listed(served or ()) or "none"
    playing: dict[str, str] = {}
    for each in study.models:
        name = given[each.role] if each.role in given else _proposed(study, each, served or ())
        if name and served is not None and name not in served:
            problems.append(
                Problem(
                    "models", f"The model {name[:100]!r} for the role {each.role!r} is not served. Served: {there}."
                )
            )
        elif name:
            playing[each.role] = name
        elif not each.is_optional:
            problems.append(Problem("models", f"No model plays the role {each.role!r}. Choose one. Served: {there}."))
    for name, times in Counter(playing.values()).items():
        if times > 1:
            both = _listed(role for role, model in playing.items() if model == name)
            why = (
                f"{name} plays several roles ({both}). Comparing a model with itself shows nothing; choose another one."
            )
            problems.append(Problem("models", why))
    return playing, problems


def _proposed(study: Study, model: StudyModel, served: Sequence[str]) -> str:
    """A served model that bears the role's name on the hub; the only one, for a study that needs only one."""
    wanted = model.hub.casefold()
    named = [each for each in served if wanted and each.casefold() in (wanted, wanted.rpartition("/")[2])]
    if named:
        return named[0]
    required = [each for each in study.models if not each.is_optional]
    return served[0] if len(served) == 1 and [model] == required else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
